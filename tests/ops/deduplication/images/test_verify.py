"""Parts laid over their wholes: what is nearly right becomes right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ops.deduplication.images.agreement import agreement
from ops.deduplication.images.verify import laid_closely, likeness, softened, windowed

WINDOWS = np.array([[0.03, 0.11, 0.85], [0.1, 0.0, 0.9], [0.0, 0.17, 0.82], [0.07, 0.07, 0.86]], np.float32)


def pictures(seed: int) -> np.ndarray[Any, Any]:
    """Waves of several lengths, (4, 64, 64)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64] / 64
    waves = rng.normal(size=(4, 14, 4)) * [1, 14, 14, 3]
    found = np.stack([sum(a * np.sin(b * x + c * y + d) for a, b, c, d in each) for each in waves])
    low, high = found.min(axis=(1, 2), keepdims=True), found.max(axis=(1, 2), keepdims=True)
    return np.asarray((found - low) / (high - low) * 255, np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_a_window_a_hundredth_beside_is_found(seed: int) -> None:
    wholes = pictures(seed)
    images = np.concatenate([wholes, windowed(wholes, WINDOWS, 64)]).astype(np.uint8)
    whole, part = np.arange(4), np.arange(4, 8)
    beside = np.clip(WINDOWS + np.array([0.012, -0.01, 0.008], np.float32), 0, 1)
    beside[:, :2] = np.minimum(beside[:, :2], 1 - beside[:, 2:])
    alike, windows = laid_closely(images, whole, part, beside)
    before = likeness(softened(windowed(images[whole], beside, 64)), softened(images[part]))
    assert (alike >= before).all()
    assert np.abs(windows - WINDOWS).mean() < 0.5 * np.abs(beside - WINDOWS).mean()
    unflipped = np.zeros(4, np.int64)
    least = [agreement(images, whole, part, unflipped, some) for some in (beside, windows)]
    assert (least[1] > least[0]).all() and (least[1] > 0.95).all()


def test_each_pair_is_laid_over_alone() -> None:
    wholes = pictures(9)
    images = np.concatenate([wholes, windowed(wholes, WINDOWS, 64)]).astype(np.uint8)
    whole, part = np.arange(4), np.arange(4, 8)
    together = laid_closely(images, whole, part, WINDOWS + np.float32(0.004))
    for pair in range(4):
        some = slice(pair, pair + 1)
        alone = laid_closely(images, whole[some], part[some], WINDOWS[some] + np.float32(0.004))
        np.testing.assert_array_equal(alone[1], together[1][some])
