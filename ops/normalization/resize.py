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

BOXES = "boxes"
"""The column of boxes that follow their image."""

Side = Annotated[int, Field(ge=1, le=8192)]


class Resize(Step):
    """Decode images and bring them to one size; the column then holds raw pixels.

    Each value is height x width x channels bytes, row by row with channels last (`uint8`). The columns `height`,
    `width` and `channels` (Int32) say so in every row. Images are turned upright by their EXIF orientation, and made
    smaller with a filter as wide as the reduction, so that nothing aliases; an image that has the size already keeps
    its pixels. A column `boxes` (in pixels of the upright image) follows: of a box that `cover` cuts the part within
    stays, and one that is cut off whole is counted as `box_cut_off`. What cannot be decoded is dropped, with the
    reasons of `image_decodable`.
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
        sizes = [(self.width, self.height) if isinstance(r, Refusal) else r[1] for r in results]
        pixels = pl.Series([None if isinstance(r, Refusal) else r[0] for r in results], dtype=pl.Binary)
        reasons = pl.Series([r.reason if isinstance(r, Refusal) else None for r in results], dtype=pl.String)
        evidence = pl.Series([r.evidence if isinstance(r, Refusal) else None for r in results], dtype=pl.String)
        shape = {"height": self.height, "width": self.width, "channels": self.channels}
        columns = [pl.lit(value, dtype=pl.Int32).alias(name) for name, value in shape.items()]
        table = table.with_columns(pixels.alias(self.column), *columns)
        cut = 0
        if BOXES in table.columns:
            followed = self._followed(table[BOXES], sizes)
            cut = int((table[BOXES].list.len().fill_null(0) - followed.list.len()).filter(reasons.is_null()).sum())
            table = table.with_columns(followed)
        outcome = dropped_where(table, reasons, evidence, step=self.kind)
        changed = {self.kind: outcome.kept.height, "box_cut_off": cut}
        return Outcome(outcome.kept, outcome.dropped, {reason: count for reason, count in changed.items() if count})

    def _followed(self, boxes: pl.Series, sizes: list[tuple[int, int]]) -> pl.Series:
        """The boxes on images brought from those sizes (width, height) to the one size."""
        placed = [self._placed(*size) for size in sizes]
        names = ("across", "down", "right_by", "down_by")
        moves = pl.DataFrame(placed, schema=dict.fromkeys(names, pl.Float64), orient="row")
        rows = pl.DataFrame({"row": pl.Series(range(len(boxes)), dtype=pl.UInt32), "box": boxes}).hstack(moves)
        long = (
            rows.explode("box", empty_as_null=True, keep_nulls=True).filter(pl.col("box").is_not_null()).unnest("box")
        )
        sides = {
            "left": (pl.col("left") * pl.col("across") + pl.col("right_by")).clip(0, self.width),
            "top": (pl.col("top") * pl.col("down") + pl.col("down_by")).clip(0, self.height),
            "right": (pl.col("right") * pl.col("across") + pl.col("right_by")).clip(0, self.width),
            "bottom": (pl.col("bottom") * pl.col("down") + pl.col("down_by")).clip(0, self.height),
        }
        moved = long.with_columns(side.cast(pl.Float32).alias(name) for name, side in sides.items())
        seen = moved.filter((pl.col("right") > pl.col("left")) & (pl.col("bottom") > pl.col("top")))
        packed = seen.group_by("row", maintain_order=True).agg(pl.struct("label", *sides).alias(BOXES))
        joined = rows.select("row").join(packed, on="row", how="left", maintain_order="left")[BOXES]
        return joined.fill_null(pl.Series([[]], dtype=joined.dtype)).cast(boxes.dtype).alias(BOXES)

    def _placed(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Factors across and down, and how far the image is moved to the right and down, as `_fitted` does it."""
        across, down = self.width / width, self.height / height
        if self.fit == "stretch" or (width, height) == (self.width, self.height):
            return across, down, 0.0, 0.0
        if self.fit == "contain":
            # The image gets whole pixels, of which the bars leave an even share to both sides, as Pillow's `pad` does.
            inner = (self.width, round(height * across)) if across <= down else (round(width * down), self.height)
            inner = (max(1, inner[0]), max(1, inner[1]))
            right_by, down_by = round((self.width - inner[0]) * 0.5), round((self.height - inner[1]) * 0.5)
            return inner[0] / width, inner[1] / height, float(right_by), float(down_by)
        factor = max(across, down)
        return factor, factor, (self.width - width * factor) / 2, (self.height - height * factor) / 2

    def _pixels(self, data: bytes | None) -> tuple[bytes, tuple[int, int]] | Refusal:
        """The pixels, and the width and height that the image had."""
        image = decoded(data, self.maximum_pixels, self.formats)
        if isinstance(image, Refusal):
            return image
        return self._fitted(in_mode(image, self.channels, self.background)).tobytes(), image.size

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
