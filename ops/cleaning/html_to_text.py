"""Text out of HTML."""

from __future__ import annotations

import html
from typing import Annotated, ClassVar, Literal

import polars as pl
from pydantic import Field

from ops.columns import TEXT, require
from ops.matches import cut, joined, unused_marks
from ops.steps import Facts, Outcome, Step

Element = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*$")]

_SKIPPED = ["script", "style", "noscript", "template", "iframe", "object", "svg", "canvas", "head"]
_RAW = ("script", "style", "iframe", "noscript")
"""Elements that go on to the end of the text where they are not closed, as browsers have it."""
_PARAGRAPHS = (
    "p|h[1-6]|blockquote|pre|ul|ol|dl|table|figure|section|article|aside|header|footer|main|nav|form|fieldset|address"
    "|details|body|html"
)
_LINES = "li|dt|dd|tr|div|option|caption|figcaption|summary|legend|hr|textarea"
_FOREIGN = ("svg", "math")
"""Elements that a slash closes, `<svg/>`, with all within them; elsewhere in HTML it means nothing."""
# Attributes, in which `>` stands within quotation marks only where they are closed.
_REST = r"(?:=\s*\"[^\"]*\"|=\s*'[^']*'|[^>])*?"
_TAG = rf"(?P<tag></?[A-Za-z][^\s/<>]*){_REST}(?P<end>/?(?:>|\z))"
_COMMENT = r"<!--(?:-?>|.*?(?:--!?>|\z))|<[!?][^>]*(?:>|\z)|</[^A-Za-z>][^>]*(?:>|\z)|</>"
_ENTITY = r"&(?:#[0-9]+;?|#[xX][0-9A-Fa-f]+;?|[A-Za-z][A-Za-z0-9]{1,31};?)"


class HtmlToText(Step):
    """Take the text out of HTML: no markup, comments or scripts; block structure as newlines; entities resolved.

    The tokens are those of the HTML standard (comments, tags with quoted attributes, raw text up to its end tag, also
    where any of them is left open), found by regular expressions in linear time; no tree is built: elements that are
    skipped are paired by depth, and one that is never closed takes nothing with it. Paragraphs, headings, lists and
    tables become lines with an empty one between them; line breaks, items and rows begin a line; cells are parted by
    tabs. Other white space is collapsed, but in `pre`. Entities are resolved once, after the markup is gone:
    `&lt;b&gt;` is the text `<b>`. A text without markup keeps its white space, and one without entities too is left
    alone. Nulls stay null.
    """

    kind: Literal["html_to_text"] = "html_to_text"
    """Text out of HTML."""
    column: str = "text"
    """The text column."""
    skip: list[Element] = _SKIPPED
    """Elements that go with all that is in them."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the text, with the rows where `markup` was removed and where `entities` were resolved."""
        require(table, [self.column], step=self.kind, types=TEXT)
        # `scatter` changes a series in place.
        text = table[self.column].clone()
        marked = text.str.contains(r"<[A-Za-z/!?]").fill_null(False).arg_true()
        if len(marked):
            text = text.scatter(marked, self._without_markup(text.gather(marked)))
        coded = text.str.contains(_ENTITY).fill_null(False).arg_true()
        if len(coded):
            text = text.scatter(coded, _resolved(text.gather(coded)))
        changed = text.ne_missing(table[self.column])
        counts = {"markup": int(changed.gather(marked).sum()), "entities": int(changed.sum())}
        counts["entities"] -= counts["markup"]
        return Outcome.mapped(table.with_columns(text.alias(self.column)), counts)

    def _without_markup(self, text: pl.Series) -> pl.Series:
        # What goes is found token by token, so that a comment in a script and a script in a comment are what they seem.
        # All other tags lose their attributes: below, a tag is `<name>`, `</name>` or `<name/>`.
        gone = [_COMMENT, *(_raw(name) for name in dict.fromkeys(self.skip) if name in _RAW)]
        back = "".join(f"${{{name}}}" for name in set(self.skip).intersection(_RAW))
        text = text.str.replace_all(rf"(?is){'|'.join(gone)}|{_TAG}", "${tag}${end}" + back)
        for name in self.skip:
            if name not in _RAW:
                text = _without(text, name)
        newline, blank, line, paragraph = unused_marks(text, 4, step=self.kind)
        text = self._guarded(text, newline, blank).str.replace_all(r"\s+", " ")
        for names, mark in ((_PARAGRAPHS, paragraph), (_LINES, line), ("br", "\n")):
            text = text.str.replace_all(rf"(?i)</?(?:{names})/?>", mark)
        text = text.str.replace_all("(?i)<t[dh]/?>", "\t").str.replace_all(r"</?[A-Za-z][^\s/<>]*\s*/?(?:>|\z)", "")
        # Where several elements begin or end there is one line end, or one empty line where a paragraph is among them.
        text = text.str.replace_all(rf"[\s{line}]*{paragraph}[\s{line}{paragraph}]*", "\n\n")
        text = text.str.replace_all(rf"\s*{line}[\s{line}]*", "\n").str.replace_all(r"[ \t]*\n[ \t]*", "\n")
        text = text.str.replace_all(r"\n{3,}", "\n\n").str.replace_all(" {2,}", " ").str.strip_chars(" \t\n")
        return text.str.replace_all(newline, "\n", literal=True).str.replace_all(blank, " ", literal=True)

    def _guarded(self, text: pl.Series, newline: str, blank: str) -> pl.Series:
        """The texts with marks in the place of white space within `pre`."""
        rows = text.str.contains("(?i)<pre/?>").arg_true()
        if rows.is_empty():
            return text
        # A newline at the very beginning is none, and one at the end begins no line.
        some = text.gather(rows).str.replace_all(r"(?i)(<pre/?>)\n", "${1}")
        some = some.str.replace_all(r"(?i)\n(</pre/?>)", "${1}")
        parts = cut(some, r"(?is)<pre/?>.*?(?:</pre/?>|\z)", step=self.kind)
        inside = pl.col("value").str.replace_all("\n", newline, literal=True).str.replace_all(r"[ \t]", blank)
        texts = joined(parts.with_columns(pl.when("matched").then(inside).otherwise("value").alias("value")))
        return text.scatter(rows, texts["value"])


def _raw(name: str) -> str:
    """The expression for an element that goes on to its end tag, or to the end of the text.

    Within SVG, and where pages are XML, `<style/>` is empty. It ends at the end of what may be around it, which is the
    group `name` and stays.
    """
    close = rf"</{name}(?:[\s/][^>]*)?>|\z"
    around = rf"(?P<{name}></(?:svg|math|head|object|template|body)\s*>)"
    return rf"<{name}(?:[\s/]{_REST})?/>.*?(?:{around}|{close})|<{name}(?:[\s/]{_REST})?(?:>|\z).*?(?:{close})"


def _without(text: pl.Series, name: str) -> pl.Series:
    """The texts without the elements of a name, nested ones too; a tag without its counterpart takes nothing."""
    slash = "" if name in _FOREIGN else "/?"
    ended = text.str.contains(rf"(?i)</{name}\s*/?>")
    rows = (ended & text.str.contains(f"(?i)<{name}{slash}>")).arg_true()
    if rows.is_empty():
        return text
    parts = cut(text.gather(rows), rf"(?i)<{name}{slash}>|</{name}\s*/?>", step="html_to_text")
    turn = pl.when("matched").then(pl.when(pl.col("value").str.starts_with("</")).then(-1).otherwise(1)).otherwise(0)
    # Depth, to which an end tag at depth 0 is nothing; what is deeper than all that follows is in a closed element.
    level = turn.cum_sum()
    depth = level - pl.min_horizontal(level.cum_min(), 0)
    inside = (depth > depth.cum_min(reverse=True)).over("row")
    return text.scatter(rows, joined(parts.filter(~inside))["value"])


def _resolved(text: pl.Series) -> pl.Series:
    """The texts with their entities resolved, each kind of entity once."""
    parts = cut(text, _ENTITY, step="html_to_text")
    codes = parts["value"].filter(parts["matched"]).unique()
    known = dict(zip(codes.to_list(), [html.unescape(code) for code in codes], strict=True))
    values = pl.when("matched").then(pl.col("value").replace(known)).otherwise("value")
    return joined(parts.with_columns(values.alias("value")))["value"]
