"""Answers that are spans of a text, and do not stand where they say."""

from __future__ import annotations

from typing import ClassVar, Literal

import polars as pl

from ops.columns import TEXT, dropped_where, require
from ops.steps import Facts, Outcome, Step

ANSWERS = pl.List(pl.Struct({"text": pl.String(), "start": pl.Int64()}))
"""The type of a column of answers: their text, and where it begins in the context, in code points from 0."""

_ROW, _PLACE = "__row", "__place"


class Spans(Step):
    """Check that each answer stands in its context where it says; move it where it stands exactly once, else remove it.

    `context[start : start + length] = text` in code points. Occurrences that overlap count each. A row that loses its
    last answer is dropped with the reason of its first: `not_found`, `ambiguous` (the text stands there several times,
    and never where it says) or `empty`. A row that had no answers stays: its question has none.
    """

    kind: Literal["spans"] = "spans"
    """Answers put where they stand in their context."""
    context: str = "context"
    """The text column that the answers are spans of."""
    answers: str = "answers"
    """The column of answers: a list of text and start for each row."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text"})

    @property
    def writes(self) -> frozenset[str]:
        """The answers."""
        return frozenset([self.answers])

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the rows with an answer where it stands; changed counts rows by `moved` and `removed` answers."""
        require(table, [self.context], step=self.kind, types=TEXT)
        require(table, [self.answers], step=self.kind, types=(ANSWERS,))
        spans = self._judged(table)
        # Rows in order; answers of a row in order; rows without any are null.
        good = pl.col("reason").is_null()
        answer = pl.struct("text", "start")
        of_row = (
            spans.group_by(_ROW, maintain_order=True)
            .agg(
                answer.filter(good).alias("kept"),
                pl.when(~good.any()).then(pl.col("reason").first()).alias("reason"),
                pl.when(~good.any()).then(pl.format("{} at {}", "text", "said").first()).alias("evidence"),
                (pl.col("moved") & good.any()).any().alias("moved"),
                (~good & good.any()).any().alias("removed"),
            )
            .sort(_ROW)
        )
        rows = pl.DataFrame({_ROW: pl.int_range(table.height, dtype=pl.UInt32, eager=True)})
        found = rows.join(of_row, on=_ROW, how="left", maintain_order="left")
        new = table.with_columns(
            pl.select(pl.when(found["kept"].is_null()).then(table[self.answers]).otherwise(found["kept"]))
            .to_series()
            .cast(ANSWERS)
            .alias(self.answers)
        )
        outcome = dropped_where(new, found["reason"], found["evidence"], step=self.kind)
        changed = {name: int(found[name].sum()) for name in ("moved", "removed")}
        return Outcome(outcome.kept, outcome.dropped, {name: count for name, count in changed.items() if count})

    def _judged(self, table: pl.DataFrame) -> pl.DataFrame:
        """One row for each answer: its row, text, start said and found, and why it is no span."""
        rows = table.select(
            pl.int_range(pl.len(), dtype=pl.UInt32).alias(_ROW),
            pl.col(self.context).alias("context"),
            pl.col(self.answers).alias("answer"),
        )
        each = rows.filter(pl.col("answer").list.len() > 0).explode("answer").unnest("answer").with_row_index(_PLACE)
        context, text, start = pl.col("context").fill_null(""), pl.col("text").fill_null(""), pl.col("start")
        there = (start >= 0) & (context.str.slice(start, text.str.len_chars()) == text) & (text != "")
        each = each.with_columns(context, text, there.fill_null(False).alias("there"))
        # The first occurrence begins behind what comes before it; another one would begin behind its first character.
        first = context.str.splitn(text, 2).struct.field("field_0").str.len_chars().cast(pl.Int64)
        once = ~context.str.slice(first + 1).str.contains(text, literal=True)
        wrong = each.filter(~pl.col("there")).with_columns(
            pl.when(text == "")
            .then(pl.lit("empty"))
            .when(~context.str.contains(text, literal=True))
            .then(pl.lit("not_found"))
            .when(~once)
            .then(pl.lit("ambiguous"))
            .alias("reason"),
            first.alias("first"),
        )
        right = each.filter("there").with_columns(pl.lit(None, pl.String).alias("reason"), start.alias("first"))
        return (
            pl.concat([right, wrong])
            .sort(_PLACE)
            .select(
                _ROW,
                "text",
                pl.col("start").alias("said"),
                pl.col("first").alias("start"),
                "reason",
                (~pl.col("there") & pl.col("reason").is_null()).alias("moved"),
            )
        )
