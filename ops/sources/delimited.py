"""The grammar of delimited text (RFC 4180, read strictly), record by record.

A field that begins with the quote sign ends at the next single one, which a separator or a line end must follow; two
in a row are one. Any other field ends at the next separator or line end, and quote signs in it are ordinary. LF, CRLF
and CR end a record. A line without a byte in it is no record.

Where the grammar is broken, exactly the physical line in which the record begins is rejected, and reading goes on with
the next: one forgotten quote sign must not swallow the rest of the file.

The longest record that is allowed changes nothing of this: a longer one ends where it ends, and is rejected as one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ops.sources.window import Positions, Window, count_line_ends

LOOK_AHEAD = 2
"""Bytes behind a record that tell where it ends: `\\r` may be followed by `\\n`, a quote sign by another."""

_LINE_END = re.compile(rb"\r\n|\n|\r")


class Record(NamedTuple):
    """One record: the bytes of its cells, or the reason why it has none. `end` is where the next begins."""

    end: int
    cells: list[bytes] | None
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Dialect:
    """Signs of the format, one byte each.

    Attributes:
        separator: between two fields.
        quote: around a field, or empty where no sign quotes.
        limit: longest record in bytes.
    """

    separator: bytes
    quote: bytes
    limit: int

    @cached_property
    def field_end(self) -> re.Pattern[bytes]:
        """What ends a field that is not quoted."""
        return re.compile(b"[" + re.escape(self.separator) + rb"\n\r]")

    def record(self, data: bytes, start: int, final: bool) -> Record | None:
        """The record that begins at `start`; null when the bytes at hand do not tell where it ends."""
        cells: list[bytes] = []
        position = start
        while True:
            if self.quote and data.startswith(self.quote, position):
                closed = self._quoted(data, position, final)
                if closed is None:
                    return None
                cell, position, reason = closed
                if reason:
                    return self._broken(data, start, final, reason, f"in field {len(cells) + 1}")
                cells.append(cell)
            else:
                found = self.field_end.search(data, position)
                if found is None and not final:
                    return None
                end = len(data) if found is None else found.start()
                cells.append(data[position:end])
                position = end
            sign = data[position : position + 1]
            if sign != self.separator:
                break
            position += 1
        if sign == b"\r" and position + 1 == len(data) and not final:
            return None
        width = 2 if data.startswith(b"\r\n", position) else len(sign)
        return Record(position + width, cells)

    def _quoted(self, data: bytes, start: int, final: bool) -> tuple[bytes, int, str] | None:
        """Cell, position behind the closing sign, and the reason if it is broken."""
        parts: list[bytes] = []
        position = start + 1
        while True:
            close = data.find(self.quote, position)
            if close < 0:
                return (b"", start, "unclosed_quote") if final else None
            behind = data[close + 1 : close + 2]
            if not behind and not final:
                return None
            if behind == self.quote:
                parts.append(data[position : close + 1])
                position = close + 2
                continue
            parts.append(data[position:close])
            stray = behind not in (b"", b"\n", b"\r", self.separator)
            return b"".join(parts), close + 1, "stray_quote" if stray else ""

    def _broken(self, data: bytes, start: int, final: bool, reason: str, detail: str) -> Record | None:
        found = _LINE_END.search(data, start)
        if found is None or (found.end() == len(data) and found.group() == b"\r"):
            if not final:
                # The caller drops the rest of a line that is longer than the window; a shorter one it completes.
                return Record(-1, None, reason, detail) if len(data) - start > self.limit else None
            return Record(len(data), None, reason, detail)
        return Record(found.end(), None, reason, detail)


class Frames(NamedTuple):
    """Records of a block found without looking at each: first byte and byte behind the last (before the line end).

    Attributes:
        starts: shape (records,).
        ends: shape (records,).
        lines: physical line of each start, counted from the block's first as 0, shape (records,).
        separators: how many separators outside quotes each has, shape (records,).
        size: bytes of the block that are used up.
        line_ends: line ends in them.
        broken: something stands behind the last record that only the grammar can tell.
    """

    starts: Positions
    ends: Positions
    lines: Positions
    separators: Positions
    size: int
    line_ends: int
    broken: bool


def frame(data: bytes, dialect: Dialect, final: bool) -> Frames:
    """Find the records of a block with array operations, up to the first place that is out of the ordinary.

    Ordinary is: line ends are LF or CRLF; every quote sign opens a field, closes it, or is one of two in a row inside;
    no record is longer than the limit.
    """
    signs = np.frombuffer(data, np.uint8)
    newlines = np.flatnonzero(signs == 10)
    stop = len(data)
    if b"\r" in data:
        returns = np.flatnonzero(signs == 13)
        lone = returns[signs[np.minimum(returns + 1, len(data) - 1)] != 10]
        stop = int(lone[0]) if len(lone) else stop
    quotes = np.flatnonzero(signs == dialect.quote[0]) if dialect.quote and dialect.quote in data else None
    outside = newlines
    if quotes is not None:
        stop = min(stop, _first_odd_quote(signs, quotes, dialect.separator[0]))
        outside = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
    stops = outside[outside < stop]
    closed = quotes is None or len(quotes) % 2 == 0
    if final and closed and stop == len(data) and (len(stops) == 0 or stops[-1] != len(data) - 1):
        # The last line has no line end; with an open quote it is left to the grammar.
        stops = np.append(stops, len(data))
    starts = np.concatenate([np.zeros(1, np.int64), stops[:-1] + 1]) if len(stops) else np.zeros(0, np.int64)
    long = np.flatnonzero(stops - starts > dialect.limit)
    if len(long):
        starts, stops, stop = starts[: long[0]], stops[: long[0]], int(starts[long[0]])
    size = min(int(stops[-1]) + 1, len(data)) if len(stops) else 0
    separators = np.flatnonzero(signs[:size] == dialect.separator[0])
    if quotes is not None and len(separators):
        separators = separators[np.searchsorted(quotes, separators) % 2 == 0]
    counts = np.searchsorted(separators, stops) - np.searchsorted(separators, starts)
    lines = np.searchsorted(newlines, starts)
    line_ends = int(np.searchsorted(newlines, size))
    ends = stops - ((stops > starts) & (signs[stops - 1] == 13)) if len(stops) else stops
    return Frames(starts, ends, lines, counts, size, line_ends, stop < len(data))


def _first_odd_quote(signs: np.ndarray[tuple[int], np.dtype[np.uint8]], quotes: Positions, separator: int) -> int:
    """Position of the first quote sign that neither opens, closes nor is doubled; the length where all do.

    Signs alternate: those of even rank open. An opening one stands at the start of a field or right behind a closing
    one (the two are one sign inside the field); a closing one before a separator, a line end or an opening one.
    """
    last = len(signs) - 1
    before = signs[np.maximum(quotes - 1, 0)]
    behind = signs[np.minimum(quotes + 1, last)]
    doubled = np.diff(quotes) == 1
    opening = np.arange(len(quotes)) % 2 == 0
    pair_before = np.concatenate([[False], doubled])
    pair_behind = np.concatenate([doubled, [False]])
    starts_field = (quotes == 0) | (before == separator) | (before == 10) | pair_before
    ends_field = (quotes == last) | (behind == separator) | (behind == 10) | (behind == 13) | pair_behind
    odd = np.flatnonzero(np.where(opening, ~starts_field, ~ends_field))
    return int(quotes[odd[0]]) if len(odd) else len(signs)


def first_record(window: Window, dialect: Dialect) -> tuple[list[bytes] | None, int]:
    """Take the first record (the header) out of the window, with its line; null where there is none or it is broken."""
    while True:
        record = dialect.record(window.data, 0, window.final)
        if (len(window.data) if record is None else record.end) > dialect.limit + LOOK_AHEAD:
            return None, window.line
        if record is None:
            # As much again: a header of a million names is not parsed once for each block.
            window.fill(max(window.block, len(window.data)))
            continue
        line = window.line
        if record.cells is None or not window.data:
            return None, line
        blank = record.cells == [b""] and not (dialect.quote and window.data.startswith(dialect.quote))
        window.drop(record.end, count_line_ends(window.data[: record.end]))
        if not blank:
            return record.cells, line
