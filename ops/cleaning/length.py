"""Bounds on how long a text may be."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import polars as pl
from pydantic import Field, model_validator

from ops.columns import TEXT, require
from ops.steps import Facts, Outcome, Step


class Length(Step):
    """Drop texts shorter or longer than the bounds, both inclusive; a null has length 0. The evidence is the length."""

    kind: Literal["length"] = "length"
    """Texts that are too short or too long dropped."""
    column: str = "text"
    """The text column."""
    unit: Literal["characters", "words", "bytes"] = "characters"
    """What is counted: Unicode code points, runs without white space, or bytes of UTF-8."""
    minimum: Annotated[int, Field(ge=0)] | None = None
    """Shortest text that is kept."""
    maximum: Annotated[int, Field(ge=0)] | None = None
    """Longest text that is kept."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})

    @model_validator(mode="after")
    def _bounds(self) -> Length:
        if self.minimum is None and self.maximum is None:
            raise ValueError("give minimum, maximum or both")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}")
        return self

    @property
    def writes(self) -> frozenset[str]:
        """None: rows are dropped or stay as they are."""
        return frozenset()

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the rows within the bounds; the others with reason too_short or too_long."""
        require(table, [self.column], step=self.kind, types=TEXT)
        length = self._length()
        short = pl.lit(False) if self.minimum is None else length < self.minimum
        long = pl.lit(False) if self.maximum is None else length > self.maximum
        reason = pl.when(short).then(pl.lit("too_short")).otherwise(pl.lit("too_long"))
        return Outcome.split(table, keep=~(short | long), step=self.kind, reason=reason, evidence=length)

    def _length(self) -> pl.Expr:
        text = pl.col(self.column).str
        if self.unit == "words":
            count = text.count_matches(r"\S+")
        else:
            count = text.len_bytes() if self.unit == "bytes" else text.len_chars()
        return count.fill_null(0)
