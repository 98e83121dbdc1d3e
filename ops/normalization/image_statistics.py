"""Mean and deviation of each channel over raw images, exact whatever the order and the parts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import polars as pl

from ops.columns import BYTES, require
from ops.errors import BadData

_CHUNK_BYTES = 1 << 24
_SHAPE = ("height", "width", "channels")


@dataclass
class PixelMoments:
    """Sums over pixels, gathered table by table.

    They are integers, so that the result has no rounding to depend on how the corpus was partitioned.

    Attributes:
        column: the column of raw pixels, beside `height`, `width` and `channels` as `resize` leaves them.
    """

    column: str = "image"
    shape: tuple[int, int, int] | None = None
    pixels: int = 0
    sums: list[int] = field(default_factory=list)
    squares: list[int] = field(default_factory=list)

    def update(self, table: pl.DataFrame) -> None:
        """Add the images of one table.

        Raises:
            BadData: the images are not all of one shape, or a value is not as long as its shape says.
        """
        require(table, [self.column], step="pixel statistics", types=BYTES)
        require(table, _SHAPE, step="pixel statistics")
        if table.is_empty():
            return
        height, width, channels = self._checked_shape(table)
        rows = max(1, _CHUNK_BYTES // (height * width * channels))
        for start in range(0, table.height, rows):
            self._add(b"".join(table[self.column][start : start + rows].to_list()), channels)

    def result(self) -> dict[str, int | list[float]]:
        """Return height, width, channels, and mean and std of each channel as fractions of full scale (0 to 1).

        Raises:
            BadData: there was no image.
        """
        if self.shape is None:
            raise BadData("there are no training images to take mean and deviation of")
        mean = [total / self.pixels / 255 for total in self.sums]
        # n·Σx² - (Σx)² is exact in integers; the usual difference of rounded means is not.
        spread = [self.pixels * q - s * s for s, q in zip(self.sums, self.squares, strict=True)]
        std = [math.sqrt(value) / self.pixels / 255 for value in spread]
        return {**dict(zip(_SHAPE, self.shape, strict=True)), "mean": mean, "std": std}

    def _checked_shape(self, table: pl.DataFrame) -> tuple[int, int, int]:
        shapes = table.select(_SHAPE).unique().rows()
        height, width, channels = shapes[0]
        if len(shapes) > 1 or self.shape not in (None, shapes[0]):
            raise BadData("the images differ in shape", hint="give `normalization` a `resize` step")
        wrong = table.filter(pl.col(self.column).bin.size().fill_null(0) != height * width * channels)
        if not wrong.is_empty():
            raise BadData(f"image {wrong['id'][0]} has not {height} x {width} x {channels} bytes")
        if self.shape is None:
            self.shape = (height, width, channels)
            self.sums, self.squares = [0] * channels, [0] * channels
        return height, width, channels

    def _add(self, data: bytes, channels: int) -> None:
        import numpy as np

        values = np.frombuffer(data, np.uint8).reshape(-1, channels)
        self.pixels += len(values)
        levels = np.arange(256, dtype=np.int64)
        for channel in range(channels):
            histogram = np.bincount(values[:, channel], minlength=256)
            self.sums[channel] += int(histogram @ levels)
            self.squares[channel] += int(histogram @ (levels * levels))
