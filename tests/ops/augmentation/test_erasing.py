from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from ops.augmentation.erasing import Erasing


def test_one_rectangle_of_the_wanted_size(changed: Any) -> None:
    white = np.full((60, 40, 50, 3), 255, np.uint8)
    after = changed(Erasing(minimum=0.05, maximum=0.2, fill=0, probability=1.0), white)
    for image in after:
        gone = np.argwhere(image[..., 0] == 0)
        height, width = np.ptp(gone, axis=0) + 1
        assert height * width == len(gone)  # nothing but a whole rectangle
        assert 0.03 < len(gone) / 2000 < 0.22


def test_noise_fills_it(changed: Any) -> None:
    grey = np.full((20, 40, 50, 1), 128, np.uint8)
    after = changed(Erasing(probability=1.0, minimum=0.1), grey)
    assert all(len(np.unique(image)) > 50 for image in after)
    with pytest.raises(ValidationError, match="above"):
        Erasing(minimum=0.5, maximum=0.1)
