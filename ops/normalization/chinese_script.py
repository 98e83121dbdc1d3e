"""Chinese in one script."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar, Literal

import polars as pl
from pydantic import model_validator

from ops.columns import TEXT, require, rewritten
from ops.steps import Facts, Outcome, Step

_FORMS = {"traditional": "t", "taiwan": "tw", "hong_kong": "hk", "simplified": "s"}


class ChineseScript(Step):
    """Convert Chinese between traditional and simplified characters with OpenCC, whose tables are part of its package.

    Phrases decide where one character has several counterparts (頭髮 and 發展 share 发). Only texts with Han characters
    are looked at; but Japanese and Korean have them too, and would be changed: say which language first. Nulls stay
    null.
    """

    kind: Literal["chinese_script"] = "chinese_script"
    """Chinese in one script."""
    column: str = "text"
    """The text column."""
    source: Literal["traditional", "taiwan", "hong_kong", "simplified"] = "traditional"
    """The script of the text; characters that are already as wanted stay."""
    target: Literal["traditional", "taiwan", "hong_kong", "simplified"] = "simplified"
    """The script wanted; one of the two is simplified, or OpenCC has no table."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})

    @model_validator(mode="after")
    def _pair(self) -> ChineseScript:
        if (self.source == "simplified") == (self.target == "simplified"):
            raise ValueError("one of source and target must be simplified, the other a traditional script")
        return self

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the converted text, with the number of rows changed."""
        require(table, [self.column], step=self.kind, types=TEXT)
        text = table[self.column]
        places = text.str.contains(r"\p{Han}").fill_null(False).arg_true()
        if places.is_empty():
            return Outcome.mapped(table, {})
        convert = _converter(f"{_FORMS[self.source]}2{_FORMS[self.target]}").convert
        # A loop over rows: the library takes one text at a time, at 60 MB/s.
        converted = [convert(value) for value in text.gather(places)]
        return rewritten(table, self.column, text.scatter(places, pl.Series(converted, dtype=pl.String)), self.kind)


@cache
def _converter(name: str) -> Any:
    from opencc import OpenCC

    return OpenCC(name)
