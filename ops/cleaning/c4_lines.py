"""Lines that are no sentences taken out of texts, as C4 does."""

from __future__ import annotations

from typing import ClassVar, Literal

import polars as pl

from ops.columns import TEXT, require
from ops.quality.rules import LineRules
from ops.steps import Facts, Outcome, Step


class C4Lines(Step):
    """Keep of each text the lines that C4 keeps (Raffel et al., 2020), in the form of datatrove.

    White space around lines goes, and citation marks if so wished. A text that keeps no line becomes empty: `length` or
    `quality` drops it, which also counts the sentences in the same lines. Nulls stay null.
    """

    kind: Literal["c4_lines"] = "c4_lines"
    """Lines that are no sentences taken out."""
    column: str = "text"
    """The text column."""
    lines: LineRules = LineRules()
    """Which lines stay."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the shorter texts; counted are rows that lost `lines`, and others that lost `marks` or white space."""
        import numpy as np

        from ops.quality.c4 import C4, PHRASES
        from ops.quality.chunks import pieces
        from ops.quality.words import Words

        require(table, [self.column], step=self.kind, types=TEXT)
        if table.is_empty():
            return Outcome.mapped(table, {})
        text = table[self.column]
        parts, rows, losses = [], [], []
        for places, chunk in pieces(text, PHRASES):
            shorter, lost = C4(Words.find(chunk), self.lines).rewritten()
            parts.append(shorter)
            rows.append(places)
            losses.append(lost)
        order = np.argsort(np.concatenate(rows))
        new = pl.concat(parts).gather(order).set(text.is_null(), None)
        changed = text.ne_missing(new).to_numpy()
        fewer = np.concatenate(losses)[order]
        counts = {"lines": int((changed & fewer).sum()), "marks": int((changed & ~fewer).sum())}
        return Outcome.mapped(table.with_columns(new.alias(self.column)), counts)
