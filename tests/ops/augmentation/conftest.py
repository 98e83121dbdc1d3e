from typing import Any

import numpy as np
import polars as pl
import pytest

from ops.augmentation.base import ImageChange


def changed(step: ImageChange, images: np.ndarray[Any, Any], first_seed: int = 0) -> np.ndarray[Any, Any]:
    """The images (N, height, width, channels) after one step, image k with seed first_seed + 1000 k."""
    shape = images.shape[1:]
    values = pl.Series([image.tobytes() for image in images], dtype=pl.Binary)
    seeds = [first_seed + 1000 * k for k in range(len(images))]
    results = step.change(values, seeds, shape)
    return np.stack([np.frombuffer(data, np.uint8).reshape(shape) for data in results])


@pytest.fixture(name="changed")
def _changed() -> Any:
    return changed


@pytest.fixture(params=[1, 3])
def noise(request: pytest.FixtureRequest) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, (60, 10, 14, request.param), dtype=np.uint8)


@pytest.fixture(params=[1, 3])
def discs(request: pytest.FixtureRequest) -> np.ndarray[Any, Any]:
    """60 white discs of radius 12 in the middle of black images of 64 x 64."""
    y, x = np.mgrid[:64, :64] - 31.5
    disc = ((x**2 + y**2 <= 144) * 255).astype(np.uint8)
    return np.repeat(np.repeat(disc[None, :, :, None], request.param, axis=3), 60, axis=0)
