"""Words and patterns replaced by a token, so that they give nothing away."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

import polars as pl
from pydantic import Field, model_validator

from ops.cleaning.consistency import Pattern
from ops.columns import TEXT, require
from ops.steps import Facts, Outcome, Step

# What may stand beside a masked word: anything but a character of this class.
_INSIDE = {"word": r"\w", "part": r"\p{L}", "anywhere": ""}


class Mask(Step):
    """Replace words, and whatever matches a pattern, by a token; the number of rows that had some is counted.

    With `match: word` a masked word has no letter, digit or underscore beside it: in `numpy.linalg` and
    `import numpy as np` both are found, in `numpy_array` none. With `part` only letters count, so that `numpy_array`,
    `_numpy` and `numpy2` are found; with `anywhere` every occurrence is, also in `NumpyArray`. Longer words win over
    shorter ones. Nulls stay null.
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
        if self.words and bool(pl.Series([self.token]).str.contains(self._word_pattern).item()):
            raise ValueError(f"the token {self.token!r} contains one of the words")
        return self

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the masked text, with the number of rows in which words and the pattern were found."""
        require(table, [self.column], step=self.kind, types=TEXT)
        text = table[self.column]
        changed = {"words": 0, "pattern": 0}
        token = self.token.replace("$", "$$")
        if self.words:
            found = text.str.contains(self._word_pattern)
            changed["words"] = int(found.sum())
            if changed["words"]:
                # The character between two words belongs to the first match: the second pass finds the second word.
                for _ in range(2):
                    text = text.str.replace_all(self._word_pattern, f"${{1}}{token}${{2}}")
        if self.pattern is not None:
            changed["pattern"] = int(text.str.contains(self.pattern).sum())
            text = text.str.replace_all(self.pattern, token)
        return Outcome.mapped(table.with_columns(text.alias(self.column)), changed)

    @property
    def _word_pattern(self) -> str:
        # Rust's regular expressions have no look-around: what stands beside is captured and put back.
        words = "|".join(re.escape(word) for word in sorted(set(self.words), key=lambda word: (-len(word), word)))
        flag = "" if self.case_sensitive else "i"
        inside = _INSIDE[self.match]
        if not inside:
            return f"()(?{flag}:{words})()"
        return rf"(\A|[^{inside}])(?{flag}:{words})([^{inside}]|\z)"
