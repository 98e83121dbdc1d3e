"""What a character is: one bit for each class, for all characters of a text at once."""

from __future__ import annotations

import sys
import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

SPACE = 1
"""White space, as Python's `str.isspace` has it."""
BREAK = 2
"""Ends a line, as Python's `str.splitlines` has it."""
ALPHA = 4
"""A letter (`str.isalpha`)."""
WORDY = 8
"""Neither punctuation nor white space: makes a word of what it stands in."""
TERMINAL = 16
"""Ends a sentence."""
UPPER = 32
"""A letter in upper case (category Lu)."""
QUOTE = 64
"""A quotation mark that may follow the end of a sentence."""
INNER = 128
"""Not the first byte of its character; the character's other bits are on all its bytes."""

# Unicode's property Sentence_Terminal, as far as datatrove has it; code points and ranges in hexadecimal.
_TERMINAL = """
21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736 17D4-17D6 17D9-17DA
1803 1809 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E 1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2E2E 2E3C 2E53-2E54
3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52 FE56-FE57 FF01 FF0E FF1F
FF61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF 11238-11239
1123B-1123C 112A9 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C
11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44 16E98 1BC9F 1DA88
"""
# What of ASCII, Latin and East Asian writing counts as punctuation beside them, and the control characters.
_PUNCTUATION = """
0-8 B-1F 21-2F 3A-40 5B-60 7B-9F AB B4 BB 2013-2014 2019 201C-201E 2026 2236 2501 25BA 3001-3002 3008-300D 3010-3011
FF01 FF05 FF08-FF09 FF0C FF0E FF11 FF1A-FF1B FF1F FF5E
"""
_BREAKS = frozenset("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029")
_QUOTES = frozenset("\"'\u201d")


def _points(ranges: str) -> frozenset[int]:
    ends = [[int(end, 16) for end in part.split("-")] for part in ranges.split()]
    return frozenset(point for pair in ends for point in range(pair[0], pair[-1] + 1))


@cache
def _sets() -> tuple[frozenset[int], frozenset[int]]:
    terminal = _points(_TERMINAL)
    return terminal, terminal | _points(_PUNCTUATION)


def character_class(point: int) -> int:
    """The bits of one code point, without `INNER`."""
    terminal, punctuation = _sets()
    character = chr(point)
    space = character.isspace()
    return (
        SPACE * space
        | BREAK * (character in _BREAKS)
        | ALPHA * character.isalpha()
        | WORDY * (not space and point not in punctuation)
        | TERMINAL * (point in terminal)
        | UPPER * (unicodedata.category(character) == "Lu")
        | QUOTE * (character in _QUOTES)
    )


@cache
def _ascii() -> bytes:
    return bytes(character_class(byte) if byte < 128 else 0 for byte in range(256))


@cache
def _wide() -> tuple[Bytes, NDArray[np.bool_]]:
    """Classes by code point, filled in as code points are met, and which are known."""
    return np.zeros(sys.maxunicode + 1, np.uint8), np.zeros(sys.maxunicode + 1, np.bool_)


def classify(data: Bytes, *, narrow: bool) -> Bytes:
    """The class of each byte of valid UTF-8; `narrow` says that all bytes are ASCII."""
    classes = np.frombuffer(bytearray(data.tobytes().translate(_ascii())), np.uint8)
    if narrow:
        return classes
    first = np.flatnonzero(data >= 0xC0)
    lead = data[first].astype(np.int32)
    width = 2 + (lead >= 0xE0).astype(np.int32) + (lead >= 0xF0)
    points = lead & (0x7F >> width)
    for place in (1, 2, 3):
        within = width > place
        inner = data[np.where(within, first + place, first)] & np.int32(0x3F)
        points = np.where(within, points << 6 | inner, points)
    found = _of_points(points)
    classes[first] = found
    for place in (1, 2, 3):
        within = width > place
        classes[first[within] + place] = found[within] | INNER
    return classes


def _of_points(points: NDArray[np.int32]) -> Bytes:
    table, known = _wide()
    for point in np.unique(points[~known[points]]).tolist():
        table[point], known[point] = character_class(point), True
    return table[points]
