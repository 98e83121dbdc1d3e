"""Encodings of text: their names, which one a file is in, and how many bytes of the file stand behind decoded text."""

from __future__ import annotations

import codecs
import re
from typing import BinaryIO

Encoding = str | list[str]
"""The declared encoding, or those among which the file's is found."""

BLOCK = 1 << 20
MARKS = "satiety-mark"
"""Error handler of codecs: each byte that cannot be decoded becomes a lone surrogate, which is no UTF-8 either."""
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""In the order in which they are tried: that of UTF-32 begins as that of UTF-16."""
STATEFUL = ("iso2022", "utf-7", "utf_7", "hz")

_MARK = re.compile("[\udc00-\udcff]")


def _mark_bad(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(MARKS, _mark_bad)


def check_encoding(value: Encoding) -> Encoding:
    """The name or names, if Python has a text encoding of each.

    Raises:
        ValueError: it has none, or the list is empty.
    """
    if not value:
        raise ValueError("name an encoding")
    for name in [value] if isinstance(value, str) else value:
        try:
            if "x".encode(name).decode(name) != "x":
                raise LookupError
        except (LookupError, UnicodeError, ValueError, TypeError):
            raise ValueError(
                f"{name!r} is no text encoding such as utf-8, utf-16, cp1252, gb18030, shift_jis"
            ) from None
    return value


def detect(stream: BinaryIO, names: list[str]) -> str:
    """The encoding of a file: by its byte order mark, else UTF-8, else the first of the names that all of it is in.

    Where it is wholly in none, the one that the fewest of its bytes contradict: those lines become rejects.

    Args:
        stream: the file, which must be able to seek.
        names: encodings in the order in which they are tried.
    """
    head = stream.read(4)
    for mark, name in BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return name
    tried: dict[str, int] = {}
    for name in ["utf-8", *names]:
        tried[name] = _faults(stream, name)
        if not tried[name]:
            return name
    return min(tried, key=lambda name: tried[name])


def _faults(stream: BinaryIO, name: str) -> int:
    """How many bytes cannot be decoded."""
    stream.seek(0)
    decoder = codecs.getincrementaldecoder(name)(errors=MARKS)
    count = 0
    while True:
        data = stream.read(BLOCK)
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeError:  # UTF-16 without a byte order mark, where the codec wants one
            return 1 << 62
        if not text.isascii():
            count += len(_MARK.findall(text))
        if not data:
            return count


def width(data: bytes, name: str) -> int | None:
    """How many bytes in an encoding the text takes that is given in UTF-8 with marks; null where that varies."""
    if name.startswith(STATEFUL):
        return None
    if data.isascii() and not name.startswith("utf-"):
        return len(data)
    text = data.decode("utf-8", "surrogatepass")
    whole = _MARK.sub("", text)
    # With a byte order mark in front, which stands in the file only once.
    plain = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}.get(name, name)
    return len(whole.encode(plain)) + len(text) - len(whole)
