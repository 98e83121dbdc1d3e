"""Cutting texts into the words of GPT-2: all texts at once by classes of bytes, not one after the other by a regex.

The words are those of `tokenizers.pre_tokenizers.ByteLevel`, which matches from left to right (Radford et al., 2019):

    's|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+

Where a word begins depends on few bytes: between characters of different classes (letter, number, other, white space);
but a space in front of a run belongs to it, another white space there stands alone, and an ending such as 's at the
beginning of a word is one of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

_LETTER, _NUMBER, _OTHER, _WHITE = 0, 1, 2, 3
_SPACE, _APOSTROPHE = 0x20, 0x27
_CONTINUES = 0x80
_CODE_POINTS = 0x110000
_UNKNOWN = 255

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]


def cut_words(texts: Sequence[str]) -> tuple[bytes, Places, Places]:
    """Cut texts into words.

    Returns:
        The UTF-8 bytes of all texts one behind the other; where each word begins in them, and the end behind the last;
        and the number of words before each text, and of all.
    """
    encoded = [text.encode() for text in texts]
    joined = b"".join(encoded)
    ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, count=len(encoded)))
    data = np.frombuffer(joined, np.uint8)
    begins = np.zeros(len(data) + 1, dtype=bool)
    begins[np.concatenate([[0], ends])] = True  # also behind the last byte
    _mark(data, _classes(data), begins)
    places = np.flatnonzero(begins)
    before = np.concatenate([[0], np.searchsorted(places, ends)])
    return joined, places, before


def _mark(data: Bytes, classes: Bytes, begins: NDArray[np.bool_]) -> None:
    """Mark the beginnings of words; those of texts, and the end of the last, are marked already."""
    apart = begins.copy()
    inner = begins[1:-1]
    np.logical_or(inner, classes[1:] != classes[:-1], out=inner)
    # The last white space before other characters of the same text goes with them, or stands alone.
    follows = np.flatnonzero((classes[1:] != _WHITE) & (classes[:-1] == _WHITE) & ~apart[1:-1]) + 1
    spaced = data[follows - 1] == _SPACE
    begins[follows[spaced]] = False
    last = follows - 1
    for _ in range(2):  # white space has at most three bytes
        last = last - ((data[last] & 0xC0) == _CONTINUES)
    begins[last] = True
    _mark_endings(data, begins, apart)


def _mark_endings(data: Bytes, begins: NDArray[np.bool_], apart: NDArray[np.bool_]) -> None:
    """An apostrophe that begins a word, and the s, t, m, d, re, ve or ll behind it in the same text, are one word."""
    found = np.flatnonzero((data == _APOSTROPHE) & begins[:-1])
    found = found[~apart[found + 1]]
    if not len(found):
        return
    padded = np.concatenate([data, np.zeros(1, np.uint8)])  # spares asking whether there is a second byte
    first, second = padded[found + 1], padded[found + 2]
    one = np.isin(first, np.frombuffer(b"stmd", np.uint8))
    two = ((first == ord("r")) | (first == ord("v"))) & (second == ord("e")) | (first == ord("l")) & (
        second == ord("l")
    )
    two &= ~apart[found + 2]
    for chosen, length in ((one, 2), (two, 3)):
        begins[found[chosen] + 1] = False
        begins[found[chosen] + length] = True


def _classes(data: Bytes) -> Bytes:
    """The class of each byte's character."""
    table = _class_table()
    found = table[:128][np.minimum(data, 127)]
    leads = np.flatnonzero(data >= 0xC0)
    if len(leads):
        points, sizes = _code_points(data, leads)
        classes = _looked_up(points)
        for offset in range(4):
            reached = sizes > offset
            found[leads[reached] + offset] = classes[reached]
    return found


def _code_points(data: Bytes, leads: Places) -> tuple[Places, Places]:
    """Code point, and number of bytes, of the character that each of these first bytes begins."""
    first = data[leads].astype(np.int64)
    sizes = 2 + (first >= 0xE0) + (first >= 0xF0)
    points = first & (0xFF >> (sizes + 1))
    for offset in range(1, 4):
        reached = sizes > offset
        more = data[np.minimum(leads + offset, len(data) - 1)].astype(np.int64) & 0x3F
        points = np.where(reached, points << 6 | more, points)
    return points, sizes


@cache
def _class_table() -> Bytes:
    """Class by code point, filled in as characters are met."""
    table = np.full(_CODE_POINTS, _UNKNOWN, dtype=np.uint8)
    table[:128] = _asked(np.arange(128))
    return table


def _looked_up(points: Places) -> Bytes:
    table = _class_table()
    found = table[points]
    new = np.unique(points[found == _UNKNOWN])
    if len(new):
        table[new] = _asked(new)
        found = table[points]
    return found


def _asked(points: Places) -> Bytes:
    """The classes as the library's own regex engine sees them: Python's Unicode tables may be of another version."""
    from tokenizers import Regex, normalizers

    classes = np.full(len(points), _OTHER, dtype=np.uint8)
    text = points.astype("<u4").tobytes().decode("utf-32-le")
    for pattern, number in ((r"\s", _WHITE), (r"\p{L}", _LETTER), (r"\p{N}", _NUMBER)):
        marked = normalizers.Replace(Regex(pattern), "\0").normalize_str(text.replace("\0", "\1"))
        classes[np.frombuffer(marked.encode("utf-32-le"), "<u4") == 0] = number
    return classes
