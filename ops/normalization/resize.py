"""Images of one height, width and number of channels, as raw pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import polars as pl
from pydantic import Field

from ops.columns import BYTES, dropped_where, require
from ops.normalization.decode import FORMATS, MAXIMUM_PIXELS, Format, Refusal, decoded, in_mode
from ops.steps import Facts, Outcome, Step

if TYPE_CHECKING:
    from PIL.Image import Image

Side = Annotated[int, Field(ge=1, le=8192)]


class Resize(Step):
    """Decode images and bring them to one size; the column then holds raw pixels.

    Each value is height x width x channels bytes, row by row with channels last (`uint8`). The columns `height`,
    `width` and `channels` (Int32) say so in every row. Images are turned upright by their EXIF orientation, and made
    smaller with a filter as wide as the reduction, so that nothing aliases; an image that has the size already keeps
    its pixels. What cannot be decoded is dropped, with the reasons of `image_decodable`.
    """

    kind: Literal["resize"] = "resize"
    """Images decoded and brought to one size."""
    column: str = "image"
    """The column of encoded images."""
    height: Side
    """Pixels from top to bottom."""
    width: Side
    """Pixels from left to right."""
    channels: Literal[1, 3] = 3
    """1 for grey, 3 for red, green and blue."""
    fit: Literal["stretch", "contain", "cover"] = "stretch"
    """How another aspect ratio is met: stretched, whole with bars of the background, or cut at the edges."""
    filter: Literal["nearest", "box", "bilinear", "bicubic", "lanczos"] = "bilinear"
    """Resampling filter."""
    background: Annotated[int, Field(ge=0, le=255)] = 255
    """Grey value behind transparent pixels and in the bars of `contain`."""
    maximum_pixels: Annotated[int, Field(ge=1, le=MAXIMUM_PIXELS)] = 50_000_000
    """Largest width times height that is decoded."""
    formats: list[Format] = Field(default=list(FORMATS), min_length=1)
    """File formats that are taken, by content and not by name."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"image"})

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the rows with raw pixels, all counted as changed."""
        require(table, [self.column], step=self.kind, types=BYTES)
        results = [self._pixels(data) for data in table[self.column]]
        pixels = pl.Series([None if isinstance(r, Refusal) else r for r in results], dtype=pl.Binary)
        reasons = pl.Series([r.reason if isinstance(r, Refusal) else None for r in results], dtype=pl.String)
        evidence = pl.Series([r.evidence if isinstance(r, Refusal) else None for r in results], dtype=pl.String)
        shape = {"height": self.height, "width": self.width, "channels": self.channels}
        columns = [pl.lit(value, dtype=pl.Int32).alias(name) for name, value in shape.items()]
        outcome = dropped_where(
            table.with_columns(pixels.alias(self.column), *columns), reasons, evidence, step=self.kind
        )
        return Outcome(outcome.kept, outcome.dropped, {self.kind: outcome.kept.height} if outcome.kept.height else {})

    def _pixels(self, data: bytes | None) -> bytes | Refusal:
        image = decoded(data, self.maximum_pixels, self.formats)
        if isinstance(image, Refusal):
            return image
        return self._fitted(in_mode(image, self.channels, self.background)).tobytes()

    def _fitted(self, image: Image) -> Image:
        from PIL import ImageOps
        from PIL.Image import Resampling

        size = (self.width, self.height)
        if image.size == size:
            return image
        method = Resampling[self.filter.upper()]
        if self.fit == "contain":
            color = self.background if self.channels == 1 else (self.background,) * 3
            return ImageOps.pad(image, size, method=method, color=color)
        if self.fit == "cover":
            return ImageOps.fit(image, size, method=method)
        return image.resize(size, resample=method)
