"""The only module that imports albumentations: named transforms applied to raw images, each image by its own seed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from types import ModuleType
from typing import Any

import polars as pl

from ops.augmentation.base import Border, Shape, Transform

# Numbers of OpenCV's border types (`cv2.BORDER_*`), part of its interface.
BORDERS: dict[Border, int] = {"constant": 0, "replicate": 1, "reflect": 4}


def transformed(values: pl.Series, transforms: Sequence[Transform], seeds: Sequence[int], shape: Shape) -> pl.Series:
    """Apply the transforms to every image.

    Args:
        values: raw pixels (`uint8`, channels last), all of that shape.
        transforms: applied one after the other, the k-th with seed + k.
        seeds: one for each image.
        shape: height, width, channels.
    """
    import numpy as np

    library = _albumentations()
    actions: list[Any] = [getattr(library, t.name)(**t.arguments) for t in transforms]
    results: list[bytes] = []
    # One image at a time, since each has its own random numbers; the work inside is OpenCV's.
    for data, seed in zip(values, seeds, strict=True):
        image = np.frombuffer(data, np.uint8).reshape(shape)
        for offset, action in enumerate(actions):
            action.set_random_seed(seed + offset)
            image = action(image=image)["image"].reshape(shape)
        results.append(image.tobytes())
    return pl.Series(values.name, results, dtype=pl.Binary)


@cache
def _albumentations() -> ModuleType:
    # Read when they are imported: without the first albumentations asks the network for a newer version of itself, the
    # second bounds what OpenCV would ever decode.
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "100000000")
    import albumentations
    import cv2

    # Images are small and partitions already run beside each other; OpenCV's threads would only compete.
    cv2.setNumThreads(0)
    module: ModuleType = albumentations
    return module
