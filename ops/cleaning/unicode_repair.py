"""Repair of text that was decoded wrongly on its way, by ftfy, and one canonical form for what looks the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import polars as pl

from ops.columns import TEXT, require, rewritten
from ops.steps import Facts, Outcome, Step

if TYPE_CHECKING:
    from ftfy import TextFixerConfig

# Text of tab, newline, form feed and printable ASCII is a fixed point of every repair but that of entities: terminal
# escapes need ESC, line breaks CR, and all else a character beyond ASCII or a control.
_SUSPECT = r"[^\t\n\x0C\x20-\x7E]|&#?[0-9A-Za-z]{1,24};"
_LINES = re.compile(r"[^\n]*\n|[^\n]+")


class UnicodeRepair(Step):
    """Undo wrong decodings ("sÃ³" for "só") with ftfy (Speer, 2019) and bring text into a Unicode normal form.

    What is broken is repaired by default; what is only a matter of typography (curly quotes, full-width forms, which
    are correct in Chinese and Japanese) is left alone unless asked for. Nulls stay null. The tables behind the normal
    forms are those of the running Python's Unicode version.
    """

    kind: Literal["unicode_repair"] = "unicode_repair"
    """Encoding repair and Unicode normal form."""
    column: str = "text"
    """The text column."""
    encoding: bool = True
    """Undo mojibake: UTF-8 that was read as a single-byte encoding, also several times over."""
    entities: Literal["auto", "always", "never"] = "auto"
    """Replace HTML entities such as `&amp;`: `auto` does so up to the first line that has a `<`."""
    controls: bool = True
    """Remove terminal escapes, ASCII controls, byte order marks; CR and other line ends become newlines."""
    ligatures: bool = True
    """Write Latin ligatures as letters, as they come out of PDF files."""
    quotes: bool = False
    """Replace curly quotation marks by straight ones."""
    width: bool = False
    """Replace full-width Latin and half-width Japanese and Korean characters by the usual ones."""
    form: Literal["NFC", "NFKC", "NFD", "NFKD", "none"] = "NFC"
    """Unicode normal form (Unicode Standard Annex 15) of the result."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the repaired text, with the number of rows changed."""
        require(table, [self.column], step=self.kind, types=TEXT)
        texts = table[self.column]
        places = texts.str.contains(_SUSPECT).fill_null(False).arg_true()
        if places.is_empty():
            return Outcome.mapped(table, {})
        settings = self._settings()
        fixed = [_repaired(text, settings) for text in texts.gather(places)]
        new = texts.scatter(places, pl.Series(fixed, dtype=pl.String))
        return rewritten(table, self.column, new, self.kind)

    def _settings(self) -> TextFixerConfig:
        from ftfy import TextFixerConfig

        entities: dict[str, Any] = {"auto": "auto", "always": True, "never": False}
        return TextFixerConfig(
            unescape_html=entities[self.entities],
            fix_encoding=self.encoding,
            fix_c1_controls=self.encoding,
            remove_terminal_escapes=self.controls,
            remove_control_chars=self.controls,
            fix_surrogates=self.controls,
            fix_line_breaks=self.controls,
            fix_latin_ligatures=self.ligatures,
            uncurl_quotes=self.quotes,
            fix_character_width=self.width,
            normalization=None if self.form == "none" else self.form,
            explain=False,
        )


def _repaired(text: str, settings: TextFixerConfig) -> str:
    """What `ftfy.fix_text` makes of the text, which it does line by line, without its work on lines that it would keep.

    The lines depend on each other in one thing: with `auto`, entities stay from the first line that has a `<`.
    """
    from ftfy import fix_text

    suspect, lines = re.compile(_SUSPECT), []
    for line in _LINES.findall(text):
        if settings.unescape_html == "auto" and "<" in line:
            settings = settings._replace(unescape_html=False)
        lines.append(fix_text(line, settings) if suspect.search(line) else line)
    return "".join(lines)
