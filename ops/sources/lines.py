"""Blocks of whole lines: what NDJSON and plain text are read in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ops.sources.rejects import Reject
from ops.sources.window import Positions, Window


class LineBlock(NamedTuple):
    """Some consecutive lines of a file. A line ends with LF or CRLF.

    Attributes:
        data: bytes with the lines.
        starts: first byte of each line, shape (lines,).
        ends: byte behind the last of each line, without its line end, shape (lines,).
        first: number of the first line, from 1.
        place: byte in the file by position in `data`; to be asked before the next block is.
        rejects: a line that is longer than memory should hold; then there are no others.
    """

    data: bytes
    starts: Positions
    ends: Positions
    first: int
    place: Callable[[int], int | None]
    rejects: list[Reject]

    def reject(self, name: str, index: int, reason: str, detail: str) -> Reject:
        """The reject for one line of the block."""
        start, end = int(self.starts[index]), int(self.ends[index])
        return Reject(
            name, self.first + index, self.place(start), reason, detail, self.data[start : min(end, start + 256)]
        )


def line_blocks(window: Window, limit: int) -> Iterator[LineBlock]:
    """Yield all lines of the window's file, block by block.

    A line longer than `limit` is left to the caller, except one that does not even fit the window: that is skipped and
    yielded as a reject.
    """
    none = np.zeros(0, np.int64)
    while window.data or not window.final:
        if not window.final and len(window.data) < window.block:
            window.fill()
        data = window.data
        if not data:
            continue
        signs = np.frombuffer(data, np.uint8)
        stops = np.flatnonzero(signs == 10)
        line_ends = len(stops)
        if window.final and not data.endswith(b"\n"):
            stops = np.append(stops, len(data))
        if len(stops) == 0:
            if len(data) <= limit:
                window.fill()
                continue
            first, offset = window.line, window.offset(0)
            excerpt = window.skip_line(newlines_only=True)
            reject = Reject(window.name, first, offset, "too_large", f"{limit} bytes are allowed", excerpt)
            yield LineBlock(b"", none, none, first, window.offset, [reject])
            continue
        starts = np.concatenate([np.zeros(1, np.int64), stops[:-1] + 1])
        ends = stops - ((stops > starts) & (signs[stops - 1] == 13))
        size = min(int(stops[-1]) + 1, len(data))
        yield LineBlock(data[:size], starts, ends, window.line, window.offset, [])
        window.drop(size, line_ends)
