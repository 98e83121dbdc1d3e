"""Plain text files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import polars as pl
from pydantic import PositiveInt, field_validator

from ops.sources.base import Batch
from ops.sources.containers import InputFile
from ops.sources.encodings import Encoding, check_encoding
from ops.sources.files import FileSource
from ops.sources.lines import LineBlock, line_blocks
from ops.sources.rejects import Reject, reject_frame
from ops.sources.window import Window, faults, opened

TEXT_SCHEMA: dict[str, pl.DataType] = {"text": pl.String(), "file": pl.String(), "line": pl.Int64()}


class Text(FileSource):
    """Plain text: one row per line, per paragraph (lines between blank ones), or per file.

    Lines end with LF or CRLF. Blank lines are no rows. What is not in the declared encoding, holds NUL, or is longer
    than allowed is rejected.
    """

    kind: Literal["text"] = "text"
    """Plain text."""
    per: Literal["line", "paragraph", "file"] = "line"
    """What becomes one row."""
    encoding: Encoding = "utf-8"
    """Encoding of the files, or a list of which the first that a file is wholly in is taken, after UTF-8."""
    max_record_bytes: PositiveInt = 16 << 20
    """Longest row; a longer one is rejected."""

    _check_encoding = field_validator("encoding")(check_encoding)

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """One column, `text`."""
        return {"text": pl.String()}

    def read_file(self, file: InputFile) -> Iterator[Batch]:
        """Yield the rows of one file; an empty file gives one empty batch."""
        with opened(file, self.encoding) as window:
            yield from self.read_window(window)

    def read_window(self, window: Window) -> Iterator[Batch]:
        """Yield the batches of a window over a file."""
        empty = True
        for batch in self._batches(window):
            if batch.table.height or batch.rejects.height:
                empty = False
                yield batch
        if empty:
            yield Batch(pl.DataFrame(schema=TEXT_SCHEMA))

    def _batches(self, window: Window) -> Iterator[Batch]:
        if self.per == "file":
            yield _whole(window, self.max_record_bytes)
            return
        blocks = line_blocks(window, self.max_record_bytes)
        if self.per == "line":
            yield from (_lines(block, window.name, self.max_record_bytes) for block in blocks)
        else:
            yield from _Paragraphs(window.name, self.max_record_bytes).batches(blocks)


def _lines(block: LineBlock, name: str, limit: int) -> Batch:
    bad = faults(block.data, block.starts, block.ends, limit)
    rejects = block.rejects + [block.reject(name, index, *bad[index]) for index in sorted(bad)]
    sound = np.ones(len(block.starts), bool)
    sound[list(bad)] = False
    if bad:
        texts = [block.data[s:e].decode() for s, e in zip(block.starts[sound], block.ends[sound], strict=True)]
    else:
        texts = block.data.decode().split("\n")[: len(block.starts)]
    numbers = np.flatnonzero(sound) + block.first
    table = _table(texts, name, numbers.tolist()).with_columns(pl.col("text").str.strip_suffix("\r"))
    return Batch(table.filter(pl.col("text").str.strip_chars() != ""), reject_frame(rejects))


def _table(texts: list[str], name: str, lines: list[int]) -> pl.DataFrame:
    return pl.DataFrame({"text": texts, "file": [name] * len(texts), "line": lines}, schema=TEXT_SCHEMA)


def _whole(window: Window, limit: int) -> Batch:
    offset = window.offset(0)
    while not window.final and len(window.data) <= limit:
        window.fill()
    data = window.data
    size = np.array([len(data)], np.int64)
    bad = faults(data, np.zeros(1, np.int64), size, limit).get(0)
    if bad is not None:
        return Batch(_table([], window.name, []), reject_frame([Reject(window.name, 1, offset, *bad, data[:256])]))
    return Batch(_table([data.decode()] if data.strip() else [], window.name, [1] if data.strip() else []))


def _runs(block: LineBlock) -> Iterator[tuple[int, int, bool]]:
    """First and last line of each run of blank lines, and of others; True for the latter."""
    signs = np.frombuffer(block.data, np.uint8)
    marks = np.flatnonzero((signs != 32) & ((signs < 9) | (signs > 13)))
    filled = np.searchsorted(marks, block.ends) > np.searchsorted(marks, block.starts)
    firsts = np.flatnonzero(np.diff(filled, prepend=~filled[:1]))
    lasts = np.append(firsts[1:], len(filled)) - 1
    return zip(firsts.tolist(), lasts.tolist(), filled[firsts].tolist(), strict=False)


class _Paragraphs:
    """Collects the lines of the paragraph at hand over the borders of blocks."""

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        self._parts: list[bytes] = []
        self._size = 0
        self._first = 0
        self._offset: int | None = None
        self._fault: tuple[str, str] | None = None

    def batches(self, blocks: Iterator[LineBlock]) -> Iterator[Batch]:
        """Yield the paragraphs; a batch for each block, and one for the last paragraph."""
        for block in blocks:
            rows: list[tuple[str, int]] = []
            rejects = list(block.rejects)
            for first, last, filled in _runs(block):
                if filled:
                    self._add(block, first, last)
                else:
                    self._close(rows, rejects)
            yield self._batch(rows, rejects)
        rows, rejects = [], []
        self._close(rows, rejects)
        yield self._batch(rows, rejects)

    def _add(self, block: LineBlock, first: int, last: int) -> None:
        start, end = int(block.starts[first]), int(block.ends[last])
        if not self._size:
            self._first, self._offset, self._fault = block.first + first, block.place(start), None
        if self._fault:
            return
        lines = block.data[start:end].replace(b"\r\n", b"\n")
        self._size += len(lines) + 1
        if self._size > self.limit + 1:
            self._fault = ("too_large", f"{self.limit} bytes are allowed")
            # Enough for the excerpt.
            lines = lines[:256]
        self._parts.append(lines)

    def _close(self, rows: list[tuple[str, int]], rejects: list[Reject]) -> None:
        if not self._size:
            return
        data = b"\n".join(self._parts)
        size = np.array([len(data)], np.int64)
        fault = self._fault or faults(data, np.zeros(1, np.int64), size, self.limit).get(0)
        if fault is None:
            rows.append((data.decode(), self._first))
        else:
            rejects.append(Reject(self.name, self._first, self._offset, *fault, data[:256]))
        self._parts, self._size = [], 0

    def _batch(self, rows: list[tuple[str, int]], rejects: list[Reject]) -> Batch:
        return Batch(_table([text for text, _ in rows], self.name, [line for _, line in rows]), reject_frame(rejects))
