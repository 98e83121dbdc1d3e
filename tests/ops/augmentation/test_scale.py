from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from ops.augmentation.scale import Scale


def test_the_area_of_a_disc_follows_the_factor(changed: Any, discs: Any) -> None:
    results = changed(Scale(low=0.8, high=1.25, border="constant"), discs)
    factors = np.sqrt((results[..., 0] > 127).sum(axis=(1, 2)) / (discs[..., 0] > 127).sum(axis=(1, 2)))
    assert 0.78 < factors.min() < 0.9 and 1.1 < factors.max() < 1.27


def test_both_directions_have_one_factor_and_the_middle_stays(changed: Any, discs: Any) -> None:
    for image in changed(Scale(low=0.5, high=1.5, border="constant"), discs)[..., 0]:
        y, x = np.nonzero(image > 127)
        assert abs(np.ptp(x) - np.ptp(y)) <= 2
        assert abs(x.mean() - 31.5) < 1 and abs(y.mean() - 31.5) < 1


def test_factor_one_changes_nothing(changed: Any, noise: Any) -> None:
    assert (changed(Scale(low=1.0, high=1.0), noise) == noise).all()


def test_bounds() -> None:
    with pytest.raises(ValidationError, match=r"low 1\.2 is above high 1\.1"):
        Scale(low=1.2, high=1.1)
