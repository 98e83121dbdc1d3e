"""Tar archives read once from front to back, without trust in any of their names.

USTAR, GNU long names and pax headers (POSIX.1-2001). Unlike `tarfile` a header that is damaged in the middle, or an
archive that ends without its closing zeros, is an error and not the end.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from ops.sources.compression import cut_off, damaged

BLOCK = 512
LONGEST_HEADER = 1 << 20
REGULAR = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}
EXTENSIONS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
_RECORD = re.compile(rb"(\d{1,20}) ([^=]+)=")


class Entry(NamedTuple):
    """One member: its name as it stands, its size, what it is where it is no regular file, and its content."""

    name: str
    size: int
    unusable: str
    stream: BinaryIO


def is_tar(head: bytes) -> bool:
    """Whether a file begins with a tar header (512 bytes are enough) or with the closing zeros of an empty archive."""
    if len(head) < BLOCK:
        return False
    try:
        return bool(_header(head[:BLOCK]).name) and head[257:262] in (b"ustar", b"\0" * 5)
    except tarfile.HeaderError:
        return False


def entries(stream: BinaryIO, name: str) -> Iterator[Entry]:
    """Yield the members in their order; each one's stream can be read until the next is asked for.

    Args:
        stream: the archive, from its first byte.
        name: the archive, for errors.

    Raises:
        BadData: the archive is cut off or damaged.
    """
    offset = 0
    extra: dict[str, str] = {}
    while True:
        block = stream.read(BLOCK)
        if len(block) < BLOCK:
            raise cut_off(name, offset + len(block), "tar")
        if not block.strip(b"\0"):
            _only_zeros(stream, name, offset)
            return
        try:
            header = _header(block)
        except tarfile.HeaderError as error:
            raise damaged(name, offset, "tar", error) from error
        offset += BLOCK
        if header.type == tarfile.GNUTYPE_SPARSE:
            offset += _sparse_map(stream, block[482], name, offset)
        size = _size(header, extra, name, offset)
        padded = -(-size // BLOCK) * BLOCK
        if header.type in EXTENSIONS:
            extra |= _extension(header.type, _whole(stream, size, padded, name, offset), name, offset)
            offset += padded
            continue
        content = _Content(stream, size, name, offset)
        if header.type != tarfile.DIRTYPE and not _is_old_folder(header):
            unusable = "" if header.type in REGULAR else KINDS.get(header.type, f"of type {header.type!r}")
            if any(key.startswith("GNU.sparse") for key in extra):
                unusable = "a sparse file"
            yield Entry(extra.get("path", header.name), size, unusable, io.BufferedReader(content, 1 << 16))
        content.skip(padded - size)
        offset += padded
        extra = {}


def _only_zeros(stream: BinaryIO, name: str, offset: int) -> None:
    """A block of zeros ends the archive: a member behind it would be lost in silence."""
    while data := stream.read(1 << 16):
        if data.strip(b"\0"):
            raise damaged(name, offset, "tar", "something follows the closing zeros")
        offset += len(data)


def _sparse_map(stream: BinaryIO, more: int, name: str, offset: int) -> int:
    """Pass over the blocks of a map of holes that did not fit into its header; their bytes."""
    passed = 0
    while more:
        block = stream.read(BLOCK)
        if len(block) < BLOCK:
            raise cut_off(name, offset + passed + len(block), "tar")
        more = block[504]
        passed += BLOCK
    return passed


def _header(block: bytes) -> tarfile.TarInfo:
    return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")


def _is_old_folder(header: tarfile.TarInfo) -> bool:
    return header.type == tarfile.AREGTYPE and header.name.endswith("/")


def _size(header: tarfile.TarInfo, extra: dict[str, str], name: str, offset: int) -> int:
    text = extra.get("size", "")
    if text and (not text.isdigit() or len(text) > 18):
        raise damaged(name, offset, "tar", f"a size of {text[:30]!r}")
    size = int(text) if text else header.size
    if size < 0:
        raise damaged(name, offset, "tar", f"a size of {size}")
    # Links and folders have no content, whatever their header says.
    return 0 if header.type in (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE) else size


def _whole(stream: BinaryIO, size: int, padded: int, name: str, offset: int) -> bytes:
    if size > LONGEST_HEADER:
        raise damaged(name, offset, "tar", f"a header of {size:,} bytes")
    data = stream.read(padded)
    if len(data) < padded:
        raise cut_off(name, offset + len(data), "tar")
    return data[:size]


def _extension(kind: bytes, data: bytes, name: str, offset: int) -> dict[str, str]:
    """What a long name or a pax header says of the member behind it. Global pax headers carry comments only here."""
    if kind == tarfile.GNUTYPE_LONGNAME:
        return {"path": data.rstrip(b"\0").decode("utf-8", "surrogateescape")}
    if kind == tarfile.GNUTYPE_LONGLINK:
        return {}
    found: dict[str, str] = {}
    position = 0
    while position < len(data):
        match = _RECORD.match(data, position)
        end = position + int(match[1]) if match else 0
        if match is None or end <= match.end() or end > len(data) or data[end - 1 : end] != b"\n":
            raise damaged(name, offset, "tar", "a pax header that cannot be read")
        value = data[match.end() : end - 1].decode("utf-8", "surrogateescape")
        found[match[2].decode("utf-8", "surrogateescape")] = value
        position = end
    if kind == tarfile.XGLTYPE:
        if found.keys() & {"path", "size"}:
            raise damaged(name, offset, "tar", "a global header that names all members")
        return {}
    return found


class _Content(io.RawIOBase):
    """The bytes of one member."""

    def __init__(self, stream: BinaryIO, size: int, name: str, offset: int) -> None:
        self._stream, self._left, self._name, self._offset = stream, size, name, offset

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(min(len(buffer), self._left))
        self._offset += len(data)
        if not data and self._left:
            raise cut_off(self._name, self._offset, "tar")
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)

    def skip(self, padding: int) -> None:
        """Go to the end of the member and of the zeros that fill its last block."""
        left = self._left + padding
        self._left = 0
        while left:
            data = self._stream.read(min(left, 1 << 20))
            self._offset += len(data)
            left -= len(data)
            if not data:
                raise cut_off(self._name, self._offset, "tar")
