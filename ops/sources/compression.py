"""Compressed files: which form a file has by its first bytes, and its content as a stream that cannot run away.

gzip (RFC 1952), bzip2, xz (and its several streams after one another, as `cat a.gz b.gz` makes them), Zstandard
(RFC 8878, through Arrow). A stream that ends early, is damaged, or is followed by anything else is an error that names
the byte; one that unpacks to more than the caps allow is left before the caps are passed by more than a block.
"""

from __future__ import annotations

import bz2
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, Literal

from pydantic import PositiveInt

from ops.config import Config
from ops.errors import BadData

Form = Literal["gzip", "bzip2", "xz", "zstd"]

MAGIC: dict[Form, bytes] = {
    "gzip": b"\x1f\x8b\x08",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\x00",
    "zstd": b"\x28\xb5\x2f\xfd",
}
BZIP2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")
"""What follows the level in bzip2: the first block, or the end of a stream without any."""

ENDINGS: dict[str, Form] = {
    ".gz": "gzip",
    ".tgz": "gzip",
    ".bz2": "bzip2",
    ".tbz2": "bzip2",
    ".xz": "xz",
    ".txz": "xz",
    ".zst": "zstd",
    ".tzst": "zstd",
}
UNREADABLE = (".7z", ".rar", ".lz4", ".lzma", ".z")

BLOCK = 1 << 16
RATIO_FROM = 64 << 20
"""The ratio is looked at from so many unpacked bytes on: a short file of one letter is no attack."""
XZ_MEMORY = 256 << 20


class Unpacking(Config):
    """Caps on what compressed files and archives may unpack to."""

    max_bytes: PositiveInt = 64 << 30
    """Most bytes that one file, or all files of one archive together, may unpack to."""
    max_ratio: PositiveInt = 500
    """Most unpacked bytes for each packed byte, looked at from 64 MB of unpacked bytes on."""
    max_members: PositiveInt = 200_000
    """Most files in an archive."""


def form_of(head: bytes) -> Form | None:
    """The form of a file that begins with these bytes (16 are enough); null where it is not compressed."""
    for form, magic in MAGIC.items():
        if head.startswith(magic) and (form != "bzip2" or head[4:10] in BZIP2_BLOCKS):
            return form
    return None


def check_name(name: str, form: Form | None, size: int) -> None:
    """Compare a name with what its first bytes say.

    Raises:
        BadData: the name is of a compressed file and the content is not.
    """
    ending = "." + name.rsplit(".", 1)[-1].lower() if "." in name else ""
    if ending in UNREADABLE:
        raise BadData(f"cannot read {ending} files", where=name, hint="pack it as gz, zst, bz2, xz, tar or zip")
    promised = ENDINGS.get(ending)
    if promised is None or promised == form:
        return
    if size < 16:
        raise cut_off(name, size, promised)
    what = f"its name says {promised}, its content is {form or 'not compressed'}"
    raise BadData(f"input_damaged: {what}", where=name, hint="give it the name that it should have")


def cut_off(name: str, offset: int, form: str) -> BadData:
    """The error for a file that ends before its content does."""
    return BadData(f"input_truncated: the {form} data is cut off at byte {offset}", where=f"{name}:{offset}")


def damaged(name: str, offset: int, form: str, why: object) -> BadData:
    """The error for a file whose bytes are not what they should be."""
    text = str(why).splitlines()[0] if str(why) else type(why).__name__
    return BadData(f"input_damaged: the {form} data is damaged near byte {offset}: {text}", where=f"{name}:{offset}")


class Budget:
    """Counts what one file unpacks to, over all of its members.

    Args:
        limits: the caps.
        name: the file, for the error.
    """

    def __init__(self, limits: Unpacking, name: str) -> None:
        self.limits = limits
        self.name = name
        self.packed = 0
        self.unpacked = 0

    def foresee(self, unpacked: int, packed: int) -> None:
        """Judge a member by the sizes that it says of itself, before any of it is unpacked.

        Raises:
            BadData: they are more than a cap allows.
        """
        if unpacked > RATIO_FROM and unpacked > self.limits.max_ratio * max(packed, 1):
            raise self._bomb(f"{unpacked:,} bytes out of {packed:,}")
        if self.unpacked + unpacked > self.limits.max_bytes:
            raise self._bomb(f"more than {self.limits.max_bytes:,} bytes")

    def _bomb(self, over: str) -> BadData:
        hint = "raise max_bytes or max_ratio of `unpacking` in the recipe's source if it is meant to"
        return BadData(f"archive_bomb: it unpacks to {over}", where=self.name, hint=hint)

    def spend(self, unpacked: int) -> None:
        """Count unpacked bytes.

        Raises:
            BadData: they are more than a cap allows.
        """
        self.unpacked += unpacked
        over = ""
        if self.unpacked > self.limits.max_bytes:
            over = f"more than {self.limits.max_bytes:,} bytes"
        elif self.unpacked > RATIO_FROM and self.unpacked > self.limits.max_ratio * max(self.packed, 1):
            over = f"{self.unpacked:,} bytes out of {self.packed:,}, and goes on"
        if over:
            raise self._bomb(over)


def unpacked(stream: BinaryIO, form: Form, name: str, budget: Budget, counted: bool = True) -> io.BufferedReader:
    """The content of a compressed stream, as a stream; `counted` where its own bytes are not counted elsewhere."""
    source = Counted(stream, budget if counted else None)
    raw: io.RawIOBase = _Zstd(source, name, budget) if form == "zstd" else _Streams(source, form, name, budget)
    return io.BufferedReader(raw, BLOCK)


class Counted(io.RawIOBase):
    """A stream that says how many bytes were read from it, and counts them as packed."""

    def __init__(self, stream: BinaryIO, budget: Budget | None) -> None:
        self.position = 0
        self._stream = stream
        self._budget = budget

    def readable(self) -> bool:
        """It can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """The next bytes, empty at the end."""
        data = self._stream.read(size)
        self.position += len(data)
        if self._budget is not None:
            self._budget.packed += len(data)
        return data


class _Gzip:
    """zlib's decoder of one gzip stream with the methods of those of bz2 and lzma."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._decoder.unconsumed_tail and not self._decoder.eof

    def decompress(self, data: bytes, size: int) -> bytes:
        return self._decoder.decompress(self._decoder.unconsumed_tail + data, size)


_DECODERS: dict[str, Callable[[], Any]] = {
    "gzip": _Gzip,
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY),
}


class _Filled(io.RawIOBase):
    """A raw stream that fills every buffer it is given, up to the end."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        size = 0
        while size < len(buffer):
            data = self.some(len(buffer) - size)
            if not data:
                break
            buffer[size : size + len(data)] = data
            size += len(data)
        return size

    def some(self, size: int) -> bytes:
        """Some of the next bytes, empty at the end."""
        raise io.UnsupportedOperation("some")


class _Streams(_Filled):
    """The content of one or more compressed streams after one another; zero bytes between and behind are padding."""

    def __init__(self, source: Counted, form: Form, name: str, budget: Budget) -> None:
        self._source, self._form, self._name, self._budget = source, form, name, budget
        self._decoder = _DECODERS[form]()
        self._begun = False
        self._rest = b""
        self._done = False

    def some(self, size: int) -> bytes:
        while not self._done:
            if self._decoder.eof and not self._next():
                break
            data = self._more() if self._decoder.needs_input else b""
            try:
                found = self._decoder.decompress(data, size)
            except (zlib.error, OSError, lzma.LZMAError, EOFError, MemoryError) as error:
                raise damaged(self._name, self._source.position, self._form, error) from error
            if found:
                self._budget.spend(len(found))
                return bytes(found)
        return b""

    def _more(self) -> bytes:
        data = self._rest or self._source.read(BLOCK)
        self._rest = b""
        if not data:
            raise cut_off(self._name, self._source.position, self._form)
        return data

    def _next(self) -> bool:
        """Begin the next stream; false where only padding follows."""
        rest = self._decoder.unused_data.lstrip(b"\0")
        while len(rest) < 16:
            more = self._source.read(BLOCK)
            if not more:
                break
            rest = (rest + more).lstrip(b"\0") if not rest else rest + more
        if not rest:
            self._done = True
            return False
        offset = self._source.position - len(rest)
        if form_of(rest) != self._form:
            if len(rest) < 10 and MAGIC[self._form].startswith(rest[: len(MAGIC[self._form])]):
                raise cut_off(self._name, self._source.position, self._form)
            raise damaged(self._name, offset, self._form, "something else follows it")
        self._decoder, self._rest = _DECODERS[self._form](), rest
        return True


class _Zstd(_Filled):
    """The content of Zstandard frames."""

    def __init__(self, source: Counted, name: str, budget: Budget) -> None:
        import pyarrow as pa

        self._source, self._name, self._budget = source, name, budget
        self._stream = pa.CompressedInputStream(pa.PythonFile(source, mode="r"), "zstd")

    def some(self, size: int) -> bytes:
        try:
            found = bytes(self._stream.read(size))
        except BadData:
            raise
        except (OSError, ValueError, MemoryError) as error:
            offset = self._source.position
            if "Truncated" in str(error):
                raise cut_off(self._name, offset, "zstd") from error
            raise damaged(self._name, offset, "zstd", error) from error
        self._budget.spend(len(found))
        return found
