"""Boxes that have no area, reach out of their image, or name nothing known."""

from __future__ import annotations

import io
import warnings
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from ops.columns import BYTES, dropped_where, require
from ops.errors import ConfigError
from ops.steps import Facts, Outcome, Step

Remedy = Literal["drop_box", "drop_row"]

SIDES = ("left", "top", "right", "bottom")


class Boxes(Step):
    """Check the boxes of each image; what is wrong with one is mended, or costs the box or the row.

    A box is in pixels of the upright image, its right and bottom the first beyond it. `outside` is a box of which no
    part lies in the image, `over_the_edge` one of which only a part does, `zero_area` one whose right is not beyond its
    left or whose bottom not below its top (after clipping), or with a number that is none, and `unknown_label` one with
    no label or one not listed. Each box counts once, for the first of `zero_area`, `outside`, `over_the_edge`,
    `unknown_label`; changes are counted in boxes, rows are dropped for their first bad box.
    """

    kind: Literal["boxes"] = "boxes"
    """Boxes without area, outside their image or of an unknown label mended or dropped."""
    column: str = "boxes"
    """The column of lists of boxes (label, left, top, right, bottom)."""
    image: str = "image"
    """The column of encoded images, whose headers say how large they are."""
    labels: list[str] | None = Field(default=None, min_length=1)
    """The labels that there are; null takes any that is not empty."""
    zero_area: Remedy = "drop_box"
    """What a box without area costs."""
    outside: Remedy = "drop_box"
    """What a box that lies outside the image costs."""
    over_the_edge: Literal["clip", "drop_box", "drop_row"] = "clip"
    """Whether a box that reaches over the edge is cut there, or costs the box or the row."""
    unknown_label: Remedy = "drop_row"
    """What a box of an unknown label costs."""
    empty: Literal["keep", "drop_row"] = "keep"
    """Whether an image that has no box left is kept, as an image of nothing, or dropped (`no_boxes`)."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"image"})

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the rows with the boxes that are left; images that do not decode keep theirs unclipped."""
        require(table, [self.image], step=self.kind, types=BYTES)
        require(table, [self.column], step=self.kind)
        _require_boxes(table.schema[self.column], self.column)
        sizes = [size_of(data) for data in table[self.image]]
        long = self._long(table, sizes)
        judged = self._judged(long)
        bad = judged.filter(pl.col("remedy") == "drop_row").group_by("row", maintain_order=True).first()
        left = judged.filter(pl.col("remedy").is_null() | (pl.col("remedy") == "clip"))
        packed = left.group_by("row", maintain_order=True).agg(pl.struct("label", *SIDES).alias("kept"))
        joined = (
            pl.DataFrame({"row": pl.Series(range(table.height), dtype=pl.UInt32)})
            .join(packed, on="row", how="left", maintain_order="left")
            .join(bad.select("row", "reason", "evidence"), on="row", how="left", maintain_order="left")
        )
        boxes = joined["kept"].fill_null(pl.Series([[]], dtype=joined.schema["kept"])).cast(table.schema[self.column])
        reason, evidence = joined["reason"], joined["evidence"]
        if self.empty == "drop_row":
            reason = pl.select(
                pl.when(reason.is_null() & (boxes.list.len() == 0)).then(pl.lit("no_boxes")).otherwise(reason)
            ).to_series()
        return self._outcome(table, boxes, reason, evidence, judged)

    def _long(self, table: pl.DataFrame, sizes: list[tuple[int, int] | None]) -> pl.DataFrame:
        """One row for each box, with the number of its row and the size of its image."""
        named = pl.DataFrame(
            {
                "row": pl.Series(range(table.height), dtype=pl.UInt32),
                "width": pl.Series([size and size[0] for size in sizes], dtype=pl.Float32),
                "height": pl.Series([size and size[1] for size in sizes], dtype=pl.Float32),
                "box": table[self.column],
            }
        )
        return (
            named.explode("box", empty_as_null=True, keep_nulls=True).filter(pl.col("box").is_not_null()).unnest("box")
        )

    def _judged(self, long: pl.DataFrame) -> pl.DataFrame:
        """Boxes with reason, remedy and evidence (null where nothing is wrong), clipped where that is the remedy."""
        left, top, right, bottom = (pl.col(side) for side in SIDES)
        finite = pl.all_horizontal(pl.col(side).is_finite().fill_null(False) for side in SIDES)
        flat = ~finite | (right <= left) | (bottom <= top)
        outside = (right <= 0) | (bottom <= 0) | (left >= pl.col("width")) | (top >= pl.col("height"))
        over = (left < 0) | (top < 0) | (right > pl.col("width")) | (bottom > pl.col("height"))
        label = pl.col("label")
        unknown = label.is_null() | (label == "") if self.labels is None else ~label.is_in(self.labels).fill_null(False)
        rules = [("zero_area", flat), ("outside", outside), ("over_the_edge", over), ("unknown_label", unknown)]
        reason = pl.coalesce(*(pl.when(broken.fill_null(False)).then(pl.lit(name)) for name, broken in rules))
        remedies = {name: getattr(self, name) for name, _ in rules}
        said = pl.format("{} {} {} {} {}", label.fill_null("null"), *(pl.col(s).fill_null(float("nan")) for s in SIDES))
        judged = long.with_columns(
            reason.alias("reason"), unknown.fill_null(True).alias("unknown"), said.alias("evidence")
        )
        judged = judged.with_columns(
            pl.col("reason").replace_strict(remedies, default=None, return_dtype=pl.String).alias("remedy")
        )
        # A box over the edge that is cut there may still have an unknown label.
        also = (pl.col("remedy") == "clip") & pl.col("unknown")
        judged = judged.with_columns(
            pl.when(also).then(pl.lit("unknown_label")).otherwise(pl.col("reason")).alias("reason"),
            pl.when(also).then(pl.lit(self.unknown_label)).otherwise(pl.col("remedy")).alias("remedy"),
        )
        clip = pl.col("remedy") == "clip"
        return judged.with_columns(
            *(
                pl.when(clip).then(pl.max_horizontal(side, pl.lit(0.0, pl.Float32))).otherwise(side).alias(side)
                for side in ("left", "top")
            ),
            *(
                pl.when(clip).then(pl.min_horizontal(side, limit)).otherwise(side).alias(side)
                for side, limit in (("right", "width"), ("bottom", "height"))
            ),
        )

    def _outcome(
        self, table: pl.DataFrame, boxes: pl.Series, reason: pl.Series, evidence: pl.Series, judged: pl.DataFrame
    ) -> Outcome:
        outcome = dropped_where(table.with_columns(boxes.alias(self.column)), reason, evidence, step=self.kind)
        there = pl.Series(range(table.height), dtype=pl.UInt32).filter(reason.is_null())
        mended = judged.filter(pl.col("remedy").is_in(["clip", "drop_box"]) & pl.col("row").is_in(there.implode()))
        counts = mended.group_by("reason").len().sort("reason").iter_rows()
        return Outcome(outcome.kept, outcome.dropped, dict(counts))


def size_of(data: bytes | None) -> tuple[int, int] | None:
    """Width and height of the upright image by its header; null where that cannot be read."""
    from PIL import Image

    from ops.cleaning.image_form import ORIENTATION

    if not data:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as image:
                width, height = image.size
                return (height, width) if image.getexif().get(ORIENTATION, 1) in (5, 6, 7, 8) else (width, height)
    # A decoder on hostile bytes may raise anything; that no size is known is all that it means here.
    except MemoryError:
        raise
    except Exception:
        return None


def _require_boxes(dtype: pl.DataType, column: str) -> None:
    inner = dtype.inner if isinstance(dtype, pl.List) else None
    names = [field.name for field in inner.fields] if isinstance(inner, pl.Struct) else []
    if names != ["label", *SIDES]:
        raise ConfigError(
            f"boxes: column {column!r} is {dtype}, not a list of boxes",
            hint="the sources pascal_voc, coco and yolo make one",
        )
