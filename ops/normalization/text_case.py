"""Text in lower or upper case."""

from __future__ import annotations

from typing import ClassVar, Literal

import polars as pl

from ops.columns import TEXT, require, rewritten
from ops.steps import Facts, Outcome, Step


class TextCase(Step):
    """Bring text into one case by Unicode's full case mapping (ß becomes SS, a final Σ becomes ς). Nulls stay null."""

    kind: Literal["text_case"] = "text_case"
    """Text in one case."""
    column: str = "text"
    """The text column."""
    case: Literal["lower", "upper"] = "lower"
    """The case."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the text in that case, with the number of rows changed."""
        require(table, [self.column], step=self.kind, types=TEXT)
        text = pl.col(self.column).str
        return rewritten(
            table, self.column, text.to_lowercase() if self.case == "lower" else text.to_uppercase(), self.kind
        )
