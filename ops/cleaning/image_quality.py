"""Images that are blank, blurred, too small or large, or not what their name says: scores apart from thresholds."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import polars as pl
from pydantic import Field, PositiveInt, model_validator

from ops.columns import BYTES, TEXT, require
from ops.normalization.decode import MAXIMUM_PIXELS, Refusal, decoded, form_of, in_mode
from ops.scoring import Decision, Scoring
from ops.sources.images import EXTENSIONS

if TYPE_CHECKING:
    from PIL.Image import Image

SHARPNESS_SIDE = 256
"""Longer side, in pixels, at which images are judged."""

SCORES: dict[str, pl.DataType] = {
    "width": pl.UInt32(),
    "height": pl.UInt32(),
    "deviation": pl.Float32(),
    "entropy": pl.Float32(),
    "sharpness": pl.Float32(),
    "format": pl.String(),
    "extension": pl.String(),
}


class ImageQuality(Scoring):
    """Drop images by what can be measured of each alone.

    Size is that of the upright image. The rest is measured in grey (luma of ITU-R BT.601) with the longer side brought
    down to 256 pixels by means over areas, so that a limit means the same for photographs of any resolution: the
    `deviation` is the standard deviation of the grey values, the `entropy` that of their histogram in bits (0 to 8),
    and the `sharpness` the variance of the Laplacian (Pech-Pacheco et al., 2000) over the variance of the grey values,
    which contrast does not change. An image of one colour has deviation, entropy and sharpness 0. A limit that is null
    is not looked at. Images that do not decode have no scores and stay: they are `image_decodable`'s.
    """

    kind: Literal["image_quality"] = "image_quality"
    """Images dropped that are blank, blurred, of a wrong size or shape, or not what their name says."""
    column: str = "image"
    """The column of encoded images."""
    minimum_deviation: Annotated[float, Field(ge=0.0, le=127.5)] | None = 4.0
    """Images with a smaller deviation are `blank`."""
    minimum_entropy: Annotated[float, Field(ge=0.0, le=8.0)] | None = None
    """Images with a smaller entropy are `blank`."""
    minimum_sharpness: Annotated[float, Field(ge=0.0)] | None = 0.01
    """Images with a smaller sharpness are `blurred`."""
    minimum_side: PositiveInt | None = None
    """Images with a shorter side are `too_small`."""
    maximum_side: PositiveInt | None = None
    """Images with a longer side are `too_large`."""
    maximum_aspect: Annotated[float, Field(ge=1.0)] | None = None
    """Images whose longer side is more than this many times the shorter one are `elongated`."""
    name_column: str | None = None
    """A column of file names; an image whose format is not that of the extension has `wrong_extension`."""
    maximum_pixels: Annotated[int, Field(ge=1, le=MAXIMUM_PIXELS)] = 50_000_000
    """Largest width times height that is decoded."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"image"})
    thresholds: ClassVar[frozenset[str]] = frozenset(
        {
            *("minimum_deviation", "minimum_entropy", "minimum_sharpness"),
            *("minimum_side", "maximum_side", "maximum_aspect"),
        }
    )

    @model_validator(mode="after")
    def _sides(self) -> ImageQuality:
        if self.minimum_side is not None and self.maximum_side is not None and self.minimum_side > self.maximum_side:
            raise ValueError(f"minimum_side {self.minimum_side} is above maximum_side {self.maximum_side}")
        return self

    def score(self, table: pl.DataFrame) -> pl.DataFrame:
        """Width, height, deviation, entropy, sharpness, format and extension of each image; null where none decodes."""
        require(table, [self.column], step=self.kind, types=BYTES)
        if self.name_column is not None:
            require(table, [self.name_column], step=self.kind, types=TEXT)
        names = table[self.name_column] if self.name_column is not None else [None] * table.height
        rows = [self._scores(data, name) for data, name in zip(table[self.column], names, strict=True)]
        return pl.DataFrame(rows, schema=SCORES, orient="row")

    def decide(self, scores: pl.DataFrame) -> Decision:
        """The first of the limits that an image breaks, and the value that breaks it."""
        longer, shorter = pl.max_horizontal("width", "height"), pl.min_horizontal("width", "height")
        aspect = longer / shorter
        rules = [
            ("wrong_extension", _mismatch(), pl.format("{} named {}", "format", "extension")),
            ("too_small", _below(shorter, self.minimum_side), pl.format("{} x {}", "width", "height")),
            ("too_large", _above(longer, self.maximum_side), pl.format("{} x {}", "width", "height")),
            ("elongated", _above(aspect, self.maximum_aspect), pl.format("{} x {}", "width", "height")),
            ("blank", _below(pl.col("deviation"), self.minimum_deviation), _said("deviation")),
            ("blank", _below(pl.col("entropy"), self.minimum_entropy), _said("entropy")),
            ("blurred", _below(pl.col("sharpness"), self.minimum_sharpness), _said("sharpness")),
        ]
        reason = pl.coalesce(*(pl.when(broken).then(pl.lit(name)) for name, broken, _ in rules))
        evidence = pl.coalesce(*(pl.when(broken).then(text) for _, broken, text in rules))
        found = scores.select(reason.alias("reason"), evidence.alias("evidence"))
        return Decision(found["reason"], found["evidence"])

    def _scores(self, data: bytes | None, name: str | None) -> tuple[Any, ...]:
        image = decoded(data, self.maximum_pixels)
        if isinstance(image, Refusal):
            return (None,) * len(SCORES)
        extension = PurePosixPath(name).suffix.lower() if name is not None else None
        return (image.width, image.height, *measured(image), form_of(data or b""), extension)


def measured(image: Image) -> tuple[float, float, float]:
    """Deviation, entropy in bits and sharpness of an image; see `ImageQuality`."""
    import numpy as np
    from PIL.Image import Resampling

    grey = in_mode(image, channels=1, background=255)
    scale = SHARPNESS_SIDE / max(grey.size)
    if scale < 1:
        grey = grey.resize(tuple(max(1, round(side * scale)) for side in grey.size), Resampling.BOX)  # type: ignore[arg-type]
    values = np.asarray(grey)
    shares = np.bincount(values.ravel(), minlength=256) / values.size
    shares = shares[shares > 0]
    entropy = max(0.0, float(-(shares * np.log2(shares)).sum()))
    pixels = values.astype(np.float64)
    variance = float(pixels.var())
    if min(values.shape) < 3 or not variance:
        return variance**0.5, entropy, 0.0
    inner = pixels[1:-1, 1:-1]
    laplacian = pixels[:-2, 1:-1] + pixels[2:, 1:-1] + pixels[1:-1, :-2] + pixels[1:-1, 2:] - 4 * inner
    return variance**0.5, entropy, float(laplacian.var()) / variance


def _mismatch() -> pl.Expr:
    """Whether the extension is one of another format; an unknown or missing one says nothing."""
    named = {ending: form for form, endings in {**EXTENSIONS, "GIF": (".gif",)}.items() for ending in endings}
    return pl.col("extension").replace_strict(named, default=None, return_dtype=pl.String) != pl.col("format")


def _below(value: pl.Expr, limit: float | None) -> pl.Expr:
    return pl.lit(False) if limit is None else value < limit


def _above(value: pl.Expr, limit: float | None) -> pl.Expr:
    return pl.lit(False) if limit is None else value > limit


def _said(name: str) -> pl.Expr:
    return pl.format(name + " {}", pl.col(name).round(4))
