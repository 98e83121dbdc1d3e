"""Removal of characters that are not seen and steer rather than say: controls, text direction, zero width."""

from __future__ import annotations

from typing import ClassVar, Literal

import polars as pl

from ops.columns import TEXT, require
from ops.steps import Facts, Outcome, Step

CLASSES: dict[str, str] = {
    # C0 and C1 but for tab, newline and carriage return, which are white space (and U+0085, next line).
    "controls": r"\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x{84}\x{86}-\x{9F}",
    # Marks, embeddings, overrides and isolates (Unicode Standard Annex 9); they can make text read as something else.
    "bidi": r"\x{061C}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2066}-\x{2069}",
    # Zero width space, word joiner and invisible operators, byte order mark, soft hyphen.
    "zero_width": r"\x{200B}\x{2060}-\x{2064}\x{FEFF}\x{AD}",
    # Needed to spell Persian and Indic languages and in composed emoji, hence a class of its own.
    "joiners": r"\x{200C}\x{200D}",
    # Interlinear annotation, object replacement, and the code points that are no characters by definition.
    "noncharacters": r"\x{FFF9}-\x{FFFC}\x{FDD0}-\x{FDEF}"
    + "".join(rf"\x{{{plane:X}FFFE}}\x{{{plane:X}FFFF}}" for plane in range(17)).replace(r"\x{0FFF", r"\x{FFF"),
}


class ControlCharacters(Step):
    """Remove invisible control characters of the chosen classes. Tab, CR, newline and U+0085 stay. Nulls stay null."""

    kind: Literal["control_characters"] = "control_characters"
    """Controls, direction marks and zero-width characters removed."""
    column: str = "text"
    """The text column."""
    controls: bool = True
    """Remove C0 and C1 controls."""
    bidi: bool = True
    """Remove marks and overrides of text direction."""
    zero_width: bool = True
    """Remove zero-width spaces, byte order marks, soft hyphens and invisible operators."""
    joiners: bool = False
    """Remove zero-width joiners and non-joiners; this breaks Persian, Indic scripts and composed emoji."""
    noncharacters: bool = True
    """Remove annotation marks, the object replacement character, and code points that are no characters."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the text without them, with the number of rows that had each class."""
        require(table, [self.column], step=self.kind, types=TEXT)
        chosen = {name: f"[{ranges}]" for name, ranges in CLASSES.items() if getattr(self, name)}
        if not chosen:
            return Outcome.mapped(table, {})
        text = table[self.column]
        changed = {name: int(text.str.contains(pattern).sum()) for name, pattern in chosen.items()}
        if not any(changed.values()):
            return Outcome.mapped(table, {})
        pattern = "|".join(pattern for name, pattern in chosen.items() if changed[name])
        return Outcome.mapped(table.with_columns(text.str.replace_all(pattern, "")), changed)
