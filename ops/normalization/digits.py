"""Digits of every script in one form."""

from __future__ import annotations

import sys
import unicodedata
from functools import cache
from typing import ClassVar, Literal

import polars as pl

from ops.columns import TEXT, require, rewritten
from ops.steps import Facts, Outcome, Step

_FOREIGN = r"[\p{Nd}--0-9]"
_NUMBER = r"\p{Nd}+(?:[.,]\p{Nd}+)*"


class Digits(Step):
    """Write the decimal digits of every script (Unicode category Nd) as 0 to 9, or each number as a placeholder.

    A number is a run of digits, with single points and commas inside it: `3.141`, `1,000,000`.
    Superscripts, fractions and Chinese numerals are no decimal digits. Nulls stay null.
    """

    kind: Literal["digits"] = "digits"
    """Digits of every script in one form."""
    column: str = "text"
    """The text column."""
    placeholder: str | None = None
    """What stands in the place of each number; null keeps numbers and writes them with 0 to 9."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the text with the new digits, with the number of rows changed."""
        require(table, [self.column], step=self.kind, types=TEXT)
        text = table[self.column]
        if self.placeholder is not None:
            new = text.str.replace_all(_NUMBER, self.placeholder.replace("$", "$$"))
            return rewritten(table, self.column, new, self.kind)
        places = text.str.contains(_FOREIGN).fill_null(False).arg_true()
        if places.is_empty():
            return Outcome.mapped(table, {})
        foreign, plain = _foreign_digits()
        new = text.scatter(places, text.gather(places).str.replace_many(foreign, plain))
        return rewritten(table, self.column, new, self.kind)


@cache
def _foreign_digits() -> tuple[list[str], list[str]]:
    """All decimal digits but 0 to 9, and what they are."""
    found = [chr(code) for code in range(0x80, sys.maxunicode + 1) if unicodedata.category(chr(code)) == "Nd"]
    return found, [str(unicodedata.decimal(digit)) for digit in found]
