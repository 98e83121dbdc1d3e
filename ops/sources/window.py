"""A moving window over the bytes of one file: what was read and not yet turned into records, and where it lies.

Only the window is in memory, never the file. It always begins at the start of a record.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ops.errors import BadData
from ops.sources.base import BATCH_BYTES
from ops.sources.containers import InputFile
from ops.sources.encodings import BYTE_ORDER_MARKS, MARKS, Encoding, detect, width
from ops.sources.rewind import Rewindable

Positions = NDArray[np.int64]

_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")
_LONE_CR = re.compile(rb"\r(?!\n)")


class Window:
    """The bytes at hand, as UTF-8 without a byte order mark whatever the file's encoding is.

    Attributes:
        data: bytes read and not yet dropped.
        line: physical line of the first byte of `data`, from 1 (a line ends with LF, CRLF or CR).
        final: nothing is left in the file behind `data`.
        block: how many bytes one filling reads.
    """

    def __init__(self, stream: BinaryIO, name: str, encoding: str | None = None, block: int = BATCH_BYTES) -> None:
        self._declared = encoding is not None
        encoding = encoding or "utf-8"
        self.data = b""
        self.line = 1
        self.final = False
        self.block = block
        self.name = name
        self._stream = Rewindable(stream)
        self._offset = 0
        self._read = 0
        self._known: tuple[int, int] | None = None
        self._encoding = codecs.lookup(encoding).name
        self._decoder = None
        if self._encoding != "utf-8":
            self._decoder = codecs.getincrementaldecoder(encoding)(errors=MARKS)
        self._start()

    def _start(self) -> None:
        self.fill()
        found = next((name for mark, name in BYTE_ORDER_MARKS.items() if self.data.startswith(mark)), "utf-8")
        if self._decoder is None and found != "utf-8":
            hint = f"say `encoding: {found}`" if self._declared else "convert it: this format is UTF-8 alone"
            raise BadData(f"is {found.upper()}, not UTF-8", where=self.name, hint=hint)
        if self.data.startswith(codecs.BOM_UTF8):
            self.drop(len(codecs.BOM_UTF8), 0)

    def fill(self, size: int | None = None) -> None:
        """Read up to `size` more bytes of the file (a block by default)."""
        size = size or self.block
        read = self._stream.read(size)
        self.final = len(read) < size
        self._read += len(read)
        self._known = None
        if self._decoder is not None:
            try:
                text = self._decoder.decode(read, self.final)
            except UnicodeError as error:  # e.g. UTF-16 without a byte order mark where one is needed
                raise BadData(f"is not in the declared encoding: {error}", where=self.name) from error
            read = text.encode("utf-8", "surrogatepass")
        self.data = self.data + read if self.data else read

    def drop(self, size: int, lines: int) -> None:
        """Forget the first bytes, which hold so many line ends."""
        self.data = self.data[size:]
        self._offset += size
        self._known = None
        self.line += lines

    @contextmanager
    def attempt(self) -> Iterator[Callable[[], None]]:
        """Read on within the block; calling what it gives takes the window back to where it was before the block."""
        decoder = self._decoder.getstate() if self._decoder is not None else None
        before = self.data, self.line, self.final, self._offset, self._read
        self._stream.mark()

        def back() -> None:
            self._stream.rewind()
            self.data, self.line, self.final, self._offset, self._read = before
            self._known = None
            if self._decoder is not None and decoder is not None:
                self._decoder.setstate(decoder)

        try:
            yield back
        finally:
            self._stream.release()

    def offset(self, position: int) -> int | None:
        """Byte in the file of a position in `data`; null where the encoding does not tell (ISO 2022, UTF-7)."""
        if self._decoder is None:
            return self._offset + int(position)
        if self._known is None or self._known[0] > position:
            pending = self._decoder.getstate()[0]
            size = width(self.data, self._encoding)
            if size is None:
                return None
            self._known = (0, self._read - len(pending) - size)
        known, offset = self._known
        size = width(self.data[known:position], self._encoding)
        if size is None:
            return None
        self._known = (int(position), offset + size)
        return offset + size

    def skip_line(self, newlines_only: bool = False) -> bytes:
        """Drop everything up to the end of the physical line, however long; returns its first bytes."""
        excerpt = self.data[:512]
        while True:
            end = self._line_end(newlines_only)
            if end is not None:
                self.drop(end, 1)
                return excerpt
            if self.final:
                self.drop(len(self.data), 0)
                return excerpt
            keep = 1 if self.data.endswith(b"\r") else 0
            self.drop(len(self.data) - keep, 0)
            self.fill()

    def _line_end(self, newlines_only: bool) -> int | None:
        """Byte behind the first line end of the window. Plain searches: a pattern takes ten times as long."""
        newline = self.data.find(b"\n")
        if newlines_only or b"\r" not in self.data:
            return newline + 1 if newline >= 0 else None
        found = _LINE_END.search(self.data)
        return found.end() if found is not None else None


@contextmanager
def opened(file: InputFile, encoding: Encoding | None = None, block: int = BATCH_BYTES) -> Iterator[Window]:
    """The window over a file, which is closed in the end; without an encoding for formats that know only UTF-8."""
    if encoding is None or isinstance(encoding, str):
        with file.open() as stream:
            yield Window(stream, file.name, encoding, block)
        return
    with file.seekable() as stream:
        found = detect(stream, encoding)
        stream.seek(0)
        yield Window(stream, file.name, found, block)


def count_line_ends(data: bytes) -> int:
    """How many physical lines end in the bytes: LF, CRLF and CR each end one."""
    ends = data.count(b"\n")
    return ends + (len(_LONE_CR.findall(data)) if b"\r" in data else 0)


def faults(data: bytes, starts: Positions, ends: Positions, limit: int) -> dict[int, tuple[str, str]]:
    """What no record may hold, by record: bytes that are not UTF-8, NUL, more bytes than the limit.

    Args:
        data: bytes with the records.
        starts: first byte of each record, ascending, shape (records,).
        ends: byte behind the last of each record, shape (records,).
        limit: longest record in bytes.

    Returns:
        (reason, detail) by index of the record.
    """
    found: dict[int, tuple[str, str]] = {}
    if len(starts) == 0:
        return found
    for index in np.flatnonzero(ends - starts > limit).tolist():
        found[index] = ("too_large", f"{int(ends[index] - starts[index])} bytes, {limit} are allowed")
    if b"\0" in data:
        zeros = np.flatnonzero(np.frombuffer(data, np.uint8) == 0)
        for zero, index in zip(zeros.tolist(), np.searchsorted(ends, zeros, side="right").tolist(), strict=True):
            if index < len(starts) and zero >= starts[index]:
                found.setdefault(index, ("nul_byte", f"at byte {zero - int(starts[index])} of the record"))
    if not data.isascii():
        for index, position in _not_utf8(data, starts, ends):
            found.setdefault(index, ("bad_utf8", f"at byte {position - int(starts[index])} of the record"))
    return found


def _not_utf8(data: bytes, starts: Positions, ends: Positions) -> Iterator[tuple[int, int]]:
    position = 0
    view = memoryview(data)
    while position < len(data):
        try:
            codecs.utf_8_decode(view[position:], "strict", True)
            return
        except UnicodeDecodeError as error:
            bad = position + error.start
        index = int(np.searchsorted(ends, bad, side="right"))
        if index >= len(starts):
            return
        if bad >= starts[index]:
            yield index, bad
        position = max(int(ends[index]), bad + 1)
