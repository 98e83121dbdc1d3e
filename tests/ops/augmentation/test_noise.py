from typing import Any

import numpy as np

from ops.augmentation.noise import Noise


def test_noise_has_no_bias_and_its_deviation(changed: Any) -> None:
    grey = np.full((80, 32, 32, 3), 128, np.uint8)
    added = changed(Noise(deviation=0.1), grey).astype(float) - 128
    deviations = added.std(axis=(1, 2, 3)) / 255
    assert abs(added.mean()) < 0.5
    assert deviations.min() > 0.008 and deviations.max() < 0.105 and 0.04 < deviations.mean() < 0.07
    assert np.corrcoef(added[0, ..., 0].ravel(), added[0, ..., 1].ravel())[0, 1] < 0.2
