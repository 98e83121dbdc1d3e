"""White space brought into order: one space, at most so many newlines, nothing at the ends."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import polars as pl
from pydantic import Field

from ops.columns import TEXT, WHITE, require, rewritten
from ops.steps import Facts, Outcome, Step

# The line ends of the Unicode newline guidelines (Unicode Standard 5.8); \s is the property White_Space.
_LINE_END = r"\r\n|[\r\x0B\x0C\x{85}\x{2028}\x{2029}]"
# Runs other than one space: passing over single spaces is what makes this fast.
_BLANKS = r"[^\S\n ][^\S\n]*| [^\S\n]+"


class Whitespace(Step):
    """Collapse runs of white space, of any script, and strip both ends.

    Every line end (CR LF, CR, form feed, U+0085, U+2028, U+2029) counts as a newline. A run of other white space
    becomes one space, and none beside a newline. Applying the step twice changes nothing more. Nulls stay null.
    """

    kind: Literal["whitespace"] = "whitespace"
    """White space collapsed and stripped."""
    column: str = "text"
    """The text column."""
    newlines: Annotated[int, Field(ge=0)] | None = 2
    """Longest run of newlines that is kept; 0 turns newlines into spaces, null keeps all."""
    indentation: bool = False
    """Keep white space at the start of lines as it is (code, poems); ignored when `newlines` is 0."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the tidied text, with the number of rows changed."""
        require(table, [self.column], step=self.kind, types=TEXT)
        text = pl.col(self.column)
        if self.newlines == 0:
            new = text.str.replace_all(WHITE, " ").str.strip_chars()
        else:
            new = self._lines(text.str.replace_all(_LINE_END, "\n"))
        return rewritten(table, self.column, new, self.kind)

    def _lines(self, text: pl.Expr) -> pl.Expr:
        if self.indentation:
            # A run inside a line follows a character that is not white space: the indentation is out of its reach.
            text = text.str.replace_all(r"(\S)[^\S\n]+", "${1} ").str.replace_all(r"(?m)[^\S\n]+$", "")
        else:
            text = text.str.replace_all(_BLANKS, " ").str.replace_all(r" \n ?|\n ", "\n")
        if self.newlines is not None:
            text = text.str.replace_all(rf"\n{{{self.newlines + 1},}}", "\n" * self.newlines)
        return text.str.strip_chars("\n").str.strip_chars_end() if self.indentation else text.str.strip_chars()
