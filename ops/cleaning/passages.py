"""Long texts cut into consecutive passages that know their place."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import polars as pl
from pydantic import Field, model_validator

from ops.columns import TEXT, require
from ops.steps import Facts, Outcome, Step

_COUNT, _NUMBER = "__count", "__number"


class Passages(Step):
    """Cut each text into consecutive passages, one row each, and say where in its text each begins.

    A text of n characters in P parts is cut before the characters of numbers floor(n k / P), k = 1 ... P - 1: passages
    differ by one character at most, together they are the text, and no text has more passages than characters. The
    position of passage k is k / P, from 0 to below 1, which `split.position` divides by: the first part of every text
    for training, its end for judging. The other columns are repeated. A null or empty text stays one row, without a
    position. Ids are `<id>#<k>`, padded with zeros so that their order is that of the text.
    """

    kind: Literal["passages"] = "passages"
    """Long texts cut into consecutive passages."""
    column: str = "text"
    """The text column."""
    characters: Annotated[int, Field(ge=1, le=1 << 24)] | None = None
    """Longest passage: as few parts as that allows. Give this or `parts`."""
    parts: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Passages of each text."""
    output: str = "position"
    """New column: where in its text a passage begins, as a share of its parts."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text"})

    @model_validator(mode="after")
    def _exactly_one(self) -> Passages:
        if (self.characters is None) == (self.parts is None):
            raise ValueError("give exactly one of characters, parts")
        if self.output in ("id", self.column):
            raise ValueError(f"the output cannot be {self.output!r}")
        return self

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return a row for each passage."""
        require(table, [self.column], step=self.kind, types=TEXT)
        length = pl.col(self.column).str.len_chars().cast(pl.Int64).fill_null(0)
        wanted = pl.lit(self.parts, pl.Int64) if self.parts is not None else -(-length // (self.characters or 1))
        counted = table.with_columns(pl.max_horizontal(pl.min_horizontal(wanted, length), 1).alias(_COUNT))
        counted = counted.with_columns(pl.int_ranges(0, _COUNT).alias(_NUMBER), length.alias("__length"))
        rows = counted.explode(_NUMBER)
        start, end = (pl.col("__length") * (pl.col(_NUMBER) + more) // pl.col(_COUNT) for more in (0, 1))
        width = pl.col(_COUNT).cast(pl.String).str.len_chars().max()
        number = pl.col(_NUMBER).cast(pl.String).str.zfill(pl.lit(rows.select(width).item() or 1))
        # Of one text polars knows that all rows have one count, and multiplies by its reciprocal: other last bits.
        places = pl.Series(rows[_NUMBER].to_numpy() / rows[_COUNT].to_numpy(), dtype=pl.Float64)
        cut = rows.with_columns(
            pl.format("{}#{}", "id", number).alias("id"),
            pl.col(self.column).str.slice(start, (end - start).cast(pl.UInt64)),
            pl.when(pl.col("__length") > 0).then(places).alias(self.output),
        ).drop(_COUNT, _NUMBER, "__length")
        texts = counted.filter(pl.col(_COUNT) > 1).height
        return Outcome(cut, changed={"cut": texts} if texts else {}, added=cut.height - table.height)
