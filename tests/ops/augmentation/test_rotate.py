from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from ops.augmentation.rotate import Rotate


def angle(image: Any) -> float:
    """Direction of the main axis in degrees, from the second moments."""
    y, x = np.nonzero(image[..., 0] > 127)
    x, y = x - x.mean(), y - y.mean()
    return float(np.degrees(0.5 * np.arctan2(2 * (x * y).mean(), (x * x).mean() - (y * y).mean())))


def test_angles_are_within_the_bound_and_on_both_sides(changed: Any) -> None:
    bar = np.zeros((80, 65, 65, 1), dtype=np.uint8)
    bar[:, 30:35, 12:53] = 255
    angles = np.array([angle(image) for image in changed(Rotate(degrees=20.0, border="constant"), bar)])
    assert np.abs(angles).max() < 21 and np.abs(angles).max() > 15
    assert angles.min() < -10 and angles.max() > 10


def test_what_fills_the_corners(changed: Any) -> None:
    white = np.full((20, 33, 33, 3), 255, dtype=np.uint8)
    assert (changed(Rotate(degrees=45.0, border="constant"), white) == 0).any()
    for border in ("reflect", "replicate"):
        assert (changed(Rotate(degrees=45.0, border=border), white) == 255).all()


def test_a_disc_stays_where_it_is(changed: Any, discs: Any) -> None:
    results = changed(Rotate(degrees=180.0), discs).astype(int)
    assert (np.abs(results - discs) > 128).mean() < 0.01


@pytest.mark.parametrize("degrees", [0.0, -5.0, 181.0])
def test_bounds(degrees: float) -> None:
    with pytest.raises(ValidationError):
        Rotate(degrees=degrees)
