"""Reading a rendered page back with the standard library's parser."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """Elements, texts and figures of a page; fails on tags that do not nest."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.figures: list[tuple[str, str, str]] = []
        """Path in report.json, value, and text as shown."""
        self._open: list[str] = []
        self._figure: tuple[str, str] | None = None
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        assert len(values) == len(attrs), f"an attribute twice: {attrs}"
        self.tags.append((tag, values))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "data":
            self._figure = values["data-path"], values["value"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open.pop() == tag, f"</{tag}> closes something else"
        if tag == "data":
            self._figure = None

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._figure is not None:
            self.figures.append((*self._figure, data))

    def agrees_with(self, data: Any) -> None:
        """Fail unless there are figures, each with the value that the data has at its path."""
        assert self.figures, "no figure is marked up"
        for place, value, _ in self.figures:
            found = data
            for key in place.split("."):
                found = found[int(key)] if isinstance(found, list) else found[key]
            assert str(found) == value, place

    def text(self) -> str:
        """All text of the page, white space folded."""
        return " ".join(" ".join(self.texts).split())
