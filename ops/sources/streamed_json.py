"""JSON documents that are one large object, read from front to back: values of its lists come one by one.

The values themselves are read by the standard library's scanner, as strictly as `strict_json` says. One of them and
some text behind it are in memory at a time.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Collection, Iterator
from typing import Any, BinaryIO, Literal, NamedTuple, Protocol

from ops.sources.strict_json import DECODER

CHUNK = 1 << 20
"""Bytes that are read at a time at least."""

LARGEST = 256 << 20
"""Characters of one value at most."""

_SPACE = re.compile(r"[ \t\n\r]*")

_MARGIN = 64
"""What ends so near to the end of the text at hand may go on behind it: numbers, words, escapes."""


class TooLarge(Exception):
    """More was read than there may be."""


class Capped:
    """A stream of so many bytes at most."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self._stream, self._left = stream, size

    def read(self, size: int) -> bytes:
        """Bytes; none at the end.

        Raises:
            TooLarge: there are more than there may be.
        """
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise TooLarge
        return data


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """So many bytes, or fewer; none at the end."""


class Entry(NamedTuple):
    """Something in the document's object.

    Attributes:
        kind: `list` where a list begins whose values follow, `item` for each of them, `value` for anything else.
        key: the key that it stands at.
        value: the value; of `list` none.
    """

    kind: Literal["list", "item", "value"]
    key: str
    value: Any = None


def entries(stream: Readable, lists: Collection[str], largest: int = LARGEST) -> Iterator[Entry]:
    """What a JSON document in UTF-8 (RFC 8259; a byte order mark is skipped) holds; nothing where it is no object.

    Args:
        stream: the document.
        lists: keys of the object whose lists are given value by value.
        largest: characters of one value at most.

    Raises:
        ValueError: it is no JSON, has a key twice, or a value is too large; what was there before has been given.
    """
    text = _Text(stream, largest)
    if text.next() != "{":
        text.value()
    else:
        text.skip()
        yield from _members(text, lists)
    if text.next():
        raise text.wrong("Extra data")


def _members(text: _Text, lists: Collection[str]) -> Iterator[Entry]:
    """The members of the object behind whose brace the text stands."""
    seen: set[str] = set()
    if text.next() == "}":
        text.skip()
        return
    while True:
        if text.next() != '"':
            raise text.wrong("Expecting property name enclosed in double quotes")
        key = str(text.value())
        if key in seen:
            raise ValueError(f"key {key[:100]!r} is there twice")
        seen.add(key)
        if text.next() != ":":
            raise text.wrong("Expecting ':' delimiter")
        text.skip()
        if key in lists and text.next() == "[":
            text.skip()
            yield Entry("list", key)
            yield from (Entry("item", key, value) for value in _items(text))
        else:
            text.next()
            yield Entry("value", key, text.value())
        if not text.goes_on("}"):
            return


def _items(text: _Text) -> Iterator[Any]:
    """The values of the list behind whose bracket the text stands."""
    if text.next() == "]":
        text.skip()
        return
    while True:
        text.next()
        yield text.value()
        if not text.goes_on("]"):
            return


class _Text:
    """The part of a document's text that is at hand, and where in it we are."""

    def __init__(self, stream: Readable, largest: int) -> None:
        self._stream, self._largest = stream, largest
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text, self._place = "", 0
        self._begun, self._ended, self._bytes = False, False, 0
        self._before, self._lines, self._column = 0, 0, 0
        """Characters, and line ends, before the text at hand, and characters in its first line before it."""

    def next(self) -> str:
        """Go to the next character that is no space; none at the end."""
        while True:
            self._place = _SPACE.match(self._text, self._place).end()  # type: ignore[union-attr]  # it always matches
            if self._place < len(self._text):
                return self._text[self._place]
            if not self._more():
                return ""

    def skip(self) -> None:
        """Go behind this character."""
        self._place += 1

    def goes_on(self, end: str) -> bool:
        """Go behind the comma, or the end, of an object or list; whether it goes on."""
        found = self.next()
        if found not in {",", end} or not found:
            raise self.wrong("Expecting ',' delimiter")
        self.skip()
        return found == ","

    def value(self) -> Any:
        """The value that begins here; the text stands behind it then."""
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._place)
            except RecursionError:
                raise ValueError("nested too deep") from None
            except json.JSONDecodeError as error:
                sure = error.pos < len(self._text) - _MARGIN and not error.msg.startswith("Unterminated string")
                if sure or not self._more():
                    raise self.wrong(error.msg, error.pos) from None
                continue
            if end < len(self._text) - _MARGIN or not self._more():
                self._place = end
                return value

    def wrong(self, what: str, place: int | None = None) -> ValueError:
        """The error, in the words of the standard library."""
        place = self._place if place is None else place
        lines = self._text.count("\n", 0, place)
        column = place - self._text.rfind("\n", 0, place) - 1 if lines else self._column + place
        return ValueError(f"{what}: line {self._lines + lines + 1} column {column + 1} (char {self._before + place})")

    def _more(self) -> bool:
        """Forget what lies behind us and read on, at least as much as is at hand; whether there was more."""
        at_hand = len(self._text) - self._place
        if at_hand > self._largest:
            raise ValueError(f"a value of more than {self._largest:,} characters")
        data = b"" if self._ended else self._stream.read(max(CHUNK, at_hand))
        try:
            new = self._decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            # What the decoder has kept of the chunk before comes first in what it could not read.
            raise ValueError(f"not UTF-8 at byte {self._bytes + len(data) - len(error.object) + error.start}") from None
        if new and not self._begun:
            new, self._begun = new.removeprefix("\ufeff"), True
        self._ended = not data
        if data:
            self._bytes += len(data)
            self._forget()
            self._text += new
        return bool(data)

    def _forget(self) -> None:
        gone = self._text[: self._place]
        lines = gone.count("\n")
        self._column = len(gone) - gone.rfind("\n") - 1 if lines else self._column + len(gone)
        self._lines += lines
        self._before += len(gone)
        self._text, self._place = self._text[self._place :], 0
