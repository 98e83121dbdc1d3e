"""The only module that imports albumentations: named transforms applied to raw images, each image by its own seed.

Training uses it too, so that nothing heavy is imported with it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

Border = Literal["constant", "replicate", "reflect"]

Shape = tuple[int, int, int]
"""Height, width, channels of raw images."""

# Numbers of OpenCV's border types (`cv2.BORDER_*`), part of its interface.
BORDERS: dict[Border, int] = {"constant": 0, "replicate": 1, "reflect": 4}

SIDES = ("left", "top", "right", "bottom")
LEAST_VISIBLE = 0.1
"""A box of which less is left in the image after a change is left out."""


@dataclass(frozen=True)
class Transform:
    """A transform of albumentations by name, with its arguments: data, so that only the engine needs the library."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def row_seed(seed: int, row: str, copy: int, place: int) -> int:
    """What a step at some place draws from for a copy of a row."""
    # No other row, copy or step has this text: the numbers have no "/" and the id comes last.
    text = f"{seed}/{copy}/{place}/{row}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def transformed(values: pl.Series, transforms: Sequence[Transform], seeds: Sequence[int], shape: Shape) -> pl.Series:
    """Apply the transforms to every image.

    Args:
        values: raw pixels (`uint8`, channels last), all of that shape.
        transforms: applied one after the other, the k-th with seed + k.
        seeds: one for each image.
        shape: height, width, channels.
    """
    import numpy as np
    import polars as pl

    images = (np.frombuffer(data, np.uint8).reshape(shape) for data in values)
    results = [image.tobytes() for image in altered(images, actions_of(transforms), seeds, shape)]
    return pl.Series(values.name, results, dtype=pl.Binary)


def altered(
    images: Iterable[NDArray[np.uint8]], actions: Sequence[Any], seeds: Sequence[int], shape: Shape
) -> Iterable[NDArray[np.uint8]]:
    """The images after the actions, the k-th with seed + k; actions are those of one thread."""
    # One image at a time, since each has its own random numbers; the work inside is OpenCV's.
    for image, seed in zip(images, seeds, strict=True):
        for offset, action in enumerate(actions):
            action.set_random_seed(seed + offset)
            image = action(image=image)["image"].reshape(shape)
        yield image


def transformed_with_boxes(
    values: pl.Series, boxes: pl.Series, transforms: Sequence[Transform], seeds: Sequence[int], shape: Shape
) -> tuple[pl.Series, pl.Series, int]:
    """As `transformed`, to the same pixels, with the boxes taken along; also the number of those that are lost.

    A box is clipped at the image's edge, and left out when less than `LEAST_VISIBLE` of its area is still to be seen.

    Args:
        values: as in `transformed`.
        boxes: a list of boxes (label, left, top, right, bottom in pixels) for each image.
        transforms: as in `transformed`.
        seeds: as in `transformed`.
        shape: as in `transformed`.
    """
    import numpy as np
    import polars as pl

    actions = actions_of(transforms)
    height, width, _ = shape
    scale = np.array([width, height, width, height], np.float32)
    results: list[bytes] = []
    moved: list[list[dict[str, Any]]] = []
    lost = 0
    for data, row, seed in zip(values, boxes.to_list(), seeds, strict=True):
        image = np.frombuffer(data, np.uint8).reshape(shape)
        given = row or []
        corners = np.array([[box[side] for side in SIDES] for box in given], np.float32).reshape(-1, 4) / scale
        # The last number says which box it is: where borders are mirrored, things appear twice.
        corners = np.hstack([corners, np.arange(len(given), dtype=np.float32)[:, None]])
        for offset, action in enumerate(actions):
            action.set_random_seed(seed + offset)
            done = action(image=image, bboxes=corners)
            image = done["image"].reshape(shape)
            corners = _visible(np.asarray(done["bboxes"], np.float32).reshape(-1, 5))
        results.append(image.tobytes())
        numbers = corners[:, 4].astype(int).tolist()
        lost += len(given) - len(set(numbers))
        placed = zip(numbers, (corners[:, :4] * scale).tolist(), strict=True)
        moved.append([{"label": given[k]["label"], **dict(zip(SIDES, sides, strict=True))} for k, sides in placed])
    return pl.Series(values.name, results, dtype=pl.Binary), pl.Series(boxes.name, moved, dtype=boxes.dtype), lost


def _visible(corners: Any) -> Any:
    """The boxes (N, 5; shares of the image, and a number) of which enough lies within, clipped."""
    clipped = corners.copy()
    clipped[:, :4] = clipped[:, :4].clip(0, 1)
    whole, left = ((each[:, 2] - each[:, 0]).clip(0) * (each[:, 3] - each[:, 1]).clip(0) for each in (corners, clipped))
    seen = (left > 0) & (left >= LEAST_VISIBLE * whole)
    return clipped[seen]


def actions_of(transforms: Sequence[Transform]) -> list[Any]:
    """The library's own objects; they hold random states, so no two threads may share them."""
    library = _albumentations()
    return [getattr(library, t.name)(**t.arguments) for t in transforms]


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
