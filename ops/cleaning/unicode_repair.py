"""Repair of text that was decoded wrongly on its way, by ftfy, and one canonical form for what looks the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import polars as pl

from ops.columns import TEXT, require, rewritten
from ops.steps import Facts, Outcome, Step

if TYPE_CHECKING:
    from ftfy import TextFixerConfig

# Text of tab, newline, form feed and printable ASCII without an ampersand is a fixed point of every repair:
# entities need "&", terminal escapes ESC, line breaks CR, and all else a character beyond ASCII or a control.
_SUSPECT = r"[^\t\n\x0C\x20-\x25\x27-\x7E]"


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
        from ftfy import fix_text

        require(table, [self.column], step=self.kind, types=TEXT)
        texts = table[self.column]
        places = texts.str.contains(_SUSPECT).fill_null(False).arg_true()
        if places.is_empty():
            return Outcome.mapped(table, {})
        settings = self._settings()
        # ftfy is Python; it sees only the rows that it may change, each distinct text once.
        repaired = {text: fix_text(text, settings) for text in texts.gather(places).unique().to_list()}
        fixed = pl.Series([repaired[text] for text in texts.gather(places)], dtype=pl.String)
        return rewritten(table, self.column, texts.scatter(places, fixed), self.kind)

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
