"""One Unicode normal form for the text that the model reads."""

from __future__ import annotations

from typing import ClassVar, Literal

import polars as pl

from ops.columns import TEXT, require, rewritten
from ops.steps import Facts, Outcome, Step


class UnicodeForm(Step):
    """Bring text into a Unicode normal form (Unicode Standard Annex 15).

    NFKC also folds what differs in compatibility only: ligatures, superscripts, full-width forms. Nulls stay null.
    """

    kind: Literal["unicode_form"] = "unicode_form"
    """Text in one Unicode normal form."""
    column: str = "text"
    """The text column."""
    form: Literal["NFC", "NFKC", "NFD", "NFKD"] = "NFKC"
    """The normal form."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the normalised text, with the number of rows changed."""
        require(table, [self.column], step=self.kind, types=TEXT)
        return rewritten(table, self.column, pl.col(self.column).str.normalize(self.form), self.kind)
