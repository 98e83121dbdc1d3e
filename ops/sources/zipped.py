"""Zip archives, without trust in any of their names, sizes or places."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

from ops.errors import BadData
from ops.sources.compression import Budget, cut_off, damaged
from ops.sources.tar import Entry

MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
LONGEST_COMMENT = 65_535 + 22
ENTRY_BYTES = 46
"""Least bytes of a member in the directory."""


def entries(stream: BinaryIO, name: str, budget: Budget) -> Iterator[Entry]:
    """Yield the members in the order of the directory; each one's stream can be read until the next is asked for.

    Args:
        stream: the archive; it must be able to seek.
        name: the archive, for errors.
        budget: counts what is read.

    Raises:
        BadData: the archive is cut off or damaged, members overlap, or there are more than allowed.
    """
    size = stream.seek(0, io.SEEK_END)
    _check_count(stream, name, size, budget)
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            _check_places(stream, members, archive.start_dir, name)
            for member in members:
                if member.is_dir():
                    continue
                budget.packed += member.compress_size
                yield Entry(
                    member.filename, member.file_size, _unusable(member), _opened(archive, member, name, budget)
                )
    except zipfile.BadZipFile as error:
        raise damaged(name, size, "zip", error) from error
    except (EOFError, struct.error, NotImplementedError, UnicodeDecodeError) as error:
        raise damaged(name, size, "zip", error) from error


def _check_count(stream: BinaryIO, name: str, size: int, budget: Budget) -> None:
    """Look at the end record before the directory is read: it may be of any size."""
    stream.seek(max(size - LONGEST_COMMENT, 0))
    tail = stream.read()
    place = tail.rfind(b"PK\x05\x06")
    if place < 0 or len(tail) - place < 22:
        raise cut_off(name, size, "zip")
    directory = struct.unpack_from("<I", tail, place + 12)[0]
    wide = tail.rfind(b"PK\x06\x06", 0, place)
    if wide >= 0 and len(tail) - wide >= 56:
        directory = struct.unpack_from("<Q", tail, wide + 40)[0]
    allowed = budget.limits.max_members
    if directory > size:
        raise damaged(name, size, "zip", "its directory is longer than the file")
    if directory > allowed * (ENTRY_BYTES + 1024):
        raise too_many(name, allowed)
    stream.seek(0)


def too_many(name: str, allowed: int) -> BadData:
    """The error for an archive of more members than allowed."""
    hint = "raise max_members of `unpacking` in the recipe's source if it is meant to"
    return BadData(f"archive_bomb: it has more than {allowed:,} members", where=name, hint=hint)


def _check_places(stream: BinaryIO, members: list[zipfile.ZipInfo], directory: int, name: str) -> None:
    """No two members may share bytes, and none may reach into the directory."""
    end = 0
    for member in sorted(members, key=lambda m: m.header_offset):
        stream.seek(member.header_offset)
        header = stream.read(30)
        if len(header) < 30 or not header.startswith(MAGIC[0]):
            raise damaged(name, member.header_offset, "zip", f"no member {member.filename[:100]!r} where one should be")
        names, extra = struct.unpack("<HH", header[26:30])
        if member.header_offset < end:
            why = f"member {member.filename[:100]!r} overlaps the one before it"
            raise BadData(f"archive_bomb: {why}", where=f"{name}:{member.header_offset}")
        end = member.header_offset + 30 + names + extra + member.compress_size
    if end > directory:
        raise damaged(name, directory, "zip", "a member reaches into the directory")


def _unusable(member: zipfile.ZipInfo) -> str:
    mode = member.external_attr >> 16
    if member.create_system == 3 and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "a symbolic link" if stat.S_ISLNK(mode) else "a device or pipe"
    if member.flag_bits & 0x1:
        return "encrypted"
    return "" if member.compress_type in METHODS else f"packed by method {member.compress_type}"


def _opened(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, budget: Budget) -> BinaryIO:
    return io.BufferedReader(_Content(archive, member, name, budget), 1 << 16)


class _Content(io.RawIOBase):
    """The bytes of one member; its check sum is compared at the end."""

    def __init__(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, budget: Budget) -> None:
        self._archive, self._member, self._name, self._budget = archive, member, name, budget
        self._stream: Any = None
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        member = self._member
        where = f"{self._name}/{member.filename}"
        try:
            if self._stream is None:
                # No more than this is ever unpacked of it, so what it says of itself can be judged at once.
                self._budget.foresee(member.file_size, member.compress_size)
                self._stream = self._archive.open(member)
            data = self._stream.read(len(buffer))
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, ValueError) as error:
            raise damaged(where, member.header_offset, "zip", error) from error
        self._read += len(data)
        if not data and self._read != member.file_size:
            raise cut_off(where, member.header_offset, "zip")
        self._budget.spend(len(data))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        super().close()
