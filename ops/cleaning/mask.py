"""Words and patterns replaced by a token, so that they give nothing away."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

import polars as pl
from pydantic import Field, model_validator

from ops.cleaning.consistency import Pattern
from ops.columns import TEXT, require
from ops.errors import BadData
from ops.steps import Facts, Outcome, Step

_LETTER_OTHER = r"(\p{L})([\w--\p{L}])"
_OTHER_LETTER = r"([\w--\p{L}])(\p{L})"
# Code points that Unicode keeps for internal use: a mark that no text has is found among them.
_MARKS = [chr(code) for code in range(0xFDD0, 0xFDF0)]


class Mask(Step):
    """Replace words, and whatever matches a pattern, by a token; the number of rows that had some is counted.

    With `match: word` a masked word is never cut out of a longer run of letters, digits and underscores: both are found
    in `numpy.linalg` and `import numpy as np`, none in `numpy_array`. With `part` it is never cut out of a run of
    letters, so that `numpy_array`, `_numpy` and `numpy2` lose it too; with `anywhere` every occurrence goes, also that
    in `NumpyArray`. Where several words begin, the longest is taken. Nulls stay null.
    """

    kind: Literal["mask"] = "mask"
    """Words or patterns replaced by a token."""
    column: str = "text"
    """The text column."""
    words: list[Annotated[str, Field(min_length=1)]] = Field(default=[])
    """The words, taken literally."""
    pattern: Pattern | None = None
    """A regular expression (Rust syntax), applied after the words."""
    token: str = "<MASK>"
    """What stands in their place; may be empty."""
    match: Literal["word", "part", "anywhere"] = "word"
    """Where a word is found: as a whole word, as a part between non-letters, or anywhere."""
    case_sensitive: bool = False
    """Whether `Numpy` is another word than `numpy`."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})

    @model_validator(mode="after")
    def _check(self) -> Mask:
        if not self.words and self.pattern is None:
            raise ValueError("give words, a pattern or both")
        if self.words and self._masked(pl.Series([self.token]))[1].item():
            raise ValueError(f"the token {self.token!r} contains one of the words")
        return self

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the masked text, with the number of rows in which words and the pattern were found."""
        require(table, [self.column], step=self.kind, types=TEXT)
        text = table[self.column]
        changed = {"words": 0, "pattern": 0}
        if self.words:
            text, found = self._masked(text)
            changed["words"] = int(found.sum())
        if self.pattern is not None:
            changed["pattern"] = int(text.str.contains(self.pattern).sum())
            text = text.str.replace_all(self.pattern, self._replacement)
        return Outcome.mapped(table.with_columns(text.alias(self.column)), changed)

    @property
    def _replacement(self) -> str:
        return self.token.replace("$", "$$")

    def _masked(self, text: pl.Series) -> tuple[pl.Series, pl.Series]:
        """The text without the words, and whether each row had some."""
        words = pl.Series(sorted(set(self.words), key=lambda word: (-len(word), word)))
        if self.match != "part":
            pattern = self._pattern(words)
            return text.str.replace_all(pattern, self._replacement), text.str.contains(pattern)
        # Rust's regular expressions have no look-around. A mark between letters and digits or underscores, in texts and
        # words alike, makes `\b` stand there too; it is taken out again.
        mark = _unused_mark(text, self.token)
        pattern, text = self._pattern(_marked(words, mark)), _marked(text, mark)
        masked = text.str.replace_all(pattern, self._replacement).str.replace_all(mark, "", literal=True)
        return masked, text.str.contains(pattern)

    def _pattern(self, words: pl.Series) -> str:
        # A boundary is asked for only at an end that could be cut out of a run.
        run = r"\p{L}" if self.match == "part" else r"\w"
        bound = "" if self.match == "anywhere" else r"\b"
        begins, ends = words.str.contains(rf"\A{run}"), words.str.contains(rf"{run}\z")
        choices = [
            f"{bound if left else ''}{re.escape(word)}{bound if right else ''}"
            for word, left, right in zip(words, begins, ends, strict=True)
        ]
        return f"(?{'' if self.case_sensitive else 'i'}:{'|'.join(choices)})"


def _marked(text: pl.Series, mark: str) -> pl.Series:
    between = f"${{1}}{mark}${{2}}"
    return text.str.replace_all(_LETTER_OTHER, between).str.replace_all(_OTHER_LETTER, between)


def _unused_mark(text: pl.Series, token: str) -> str:
    for mark in _MARKS:
        if mark not in token and not text.str.contains(mark, literal=True).any():
            return mark
    raise BadData("mask: the text uses every code point that Unicode keeps for internal use", hint="control_characters")
