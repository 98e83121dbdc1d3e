"""Files inside files: one file as it lies, or each member of an archive, unpacked as it is read and written nowhere."""

from __future__ import annotations

import io
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, NamedTuple

from ops.errors import BadData, ConfigError
from ops.sources import tar, zipped
from ops.sources.compression import ENDINGS, Budget, Form, Unpacking, check_name, cut_off, form_of, unpacked
from ops.sources.downloads import local
from ops.sources.rejects import Reject
from ops.sources.remote import Remote

HEAD = 512
TAR_ENDINGS = (".tar", *(f".tar{ending}" for ending in ENDINGS), *(e for e in ENDINGS if e.startswith(".t")))
SPOOLED = 16 << 20
"""What must be read from several places and cannot seek lies in memory up to this size, then in a temporary file."""


class InputFile(NamedTuple):
    """One file: its name in rows, rejects and fingerprints, and where it lies on this machine.

    Attributes:
        name: name; of a member `archive.tar/member`.
        path: the file, or the archive that it is in.
        remote: what the recipe says of it, where it is elsewhere; `path` means nothing until `here` was called.
        stream: its content where it is a member or was compressed; can be read once.
    """

    name: str
    path: Path
    remote: Remote | None = None
    stream: BinaryIO | None = None

    def here(self) -> InputFile:
        """The same file on this machine, fetched if it is elsewhere."""
        return self if self.remote is None else self._replace(path=local(self.remote), remote=None)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Its content, to be read from front to back.

        Raises:
            ConfigError: the file is not there any more.
        """
        if self.stream is not None:
            yield self.stream
            return
        try:
            stream = self.path.open("rb")
        except FileNotFoundError as error:
            raise ConfigError(f"no file {self.name!r}") from error
        with stream:
            yield stream

    @contextmanager
    def seekable(self) -> Iterator[BinaryIO]:
        """Its content, to be read from any place."""
        with self.open() as stream:
            if self.stream is None:
                yield stream
                return
            with tempfile.SpooledTemporaryFile(max_size=SPOOLED) as copy:
                while data := stream.read(1 << 20):
                    copy.write(data)
                copy.seek(0)
                yield copy  # type: ignore[misc]  # it has all methods of a file


Part = InputFile | Reject
Wanted = Callable[[str], bool]


def parts(
    file: InputFile, limits: Unpacking, keep: tuple[str, ...] = (), wanted: Wanted = lambda name: True
) -> Iterator[Part]:
    """Yield what a file holds: itself, unpacked where it is compressed, or the members of an archive, in their order.

    A member that is a link, a device or an archive, whose name leads out of the archive, or that is there twice, is a
    reject. Hidden members are left out, as hidden files of folders are.

    Args:
        file: a file on this machine.
        limits: caps on unpacking.
        keep: `zip` where such files are read as they are, because the format itself is made of them.
        wanted: which members are read, by their name within the archive.

    Raises:
        BadData: the file is cut off, damaged or a bomb.
    """
    budget = Budget(limits, file.name)
    with file.open() as plain:
        head = plain.read(HEAD)
        plain.seek(0)
        form = form_of(head)
        check_name(file.name, form, len(head))
        if form is None and head.startswith(zipped.MAGIC) and "zip" not in keep:
            yield from _members(zipped.entries(plain, file.name, budget), file, budget, keep, wanted, False)
            return
        stream, head = _plain(plain, form, head, file.name, budget)
        if tar.is_tar(head):
            yield from _members(tar.entries(stream, file.name), file, budget, keep, wanted, form is None)
            return
        _check_archive_name(file.name, len(head), keep)
        if form is None:
            yield file
        else:
            if _is_packed(head, keep):
                raise BadData("nested_archive: it is packed twice", where=file.name, hint="unpack it once")
            yield file._replace(stream=stream)


def is_archive(file: InputFile, limits: Unpacking, keep: tuple[str, ...] = ()) -> bool:
    """Whether a file is an archive: by its first bytes, or by its name where it is elsewhere, fetched or not."""
    if file.remote is not None:
        return file.name.lower().endswith(TAR_ENDINGS if "zip" in keep else (*TAR_ENDINGS, ".zip"))
    with file.here().open() as plain:
        head = plain.read(HEAD)
        plain.seek(0)
        if head.startswith(zipped.MAGIC):
            return "zip" not in keep
        return tar.is_tar(_plain(plain, form_of(head), head, file.name, Budget(limits, file.name))[1])


def _check_archive_name(name: str, size: int, keep: tuple[str, ...]) -> None:
    """A file that is no archive must not be called one."""
    for kind, endings in {"tar": TAR_ENDINGS, "zip": (".zip",)}.items():
        if name.lower().endswith(endings) and kind not in keep:
            if size < HEAD:
                raise cut_off(name, size, kind)
            raise BadData(f"input_damaged: its name says {kind}, its content is no {kind} archive", where=name)


def _plain(plain: BinaryIO, form: Form | None, head: bytes, name: str, budget: Budget) -> tuple[BinaryIO, bytes]:
    """The stream behind compression, and its first bytes."""
    if form is None:
        return plain, head
    stream = unpacked(plain, form, name, budget)
    return stream, _peek(stream)


def _peek(stream: io.BufferedReader) -> bytes:
    """The first bytes, which stay to be read."""
    return stream.peek(HEAD)[:HEAD]


def _members(
    entries: Iterator[tar.Entry],
    file: InputFile,
    budget: Budget,
    keep: tuple[str, ...],
    wanted: Wanted,
    plain: bool,
) -> Iterator[Part]:
    """The members that are read; `plain` where the archive itself is not compressed."""
    seen: set[str] = set()
    count = 0
    for entry in entries:
        count += 1
        if count > budget.limits.max_members:
            raise zipped.too_many(file.name, budget.limits.max_members)
        if _is_hidden(entry.name):
            continue
        name = entry.name.removeprefix("./")
        if not wanted(name):
            continue
        fault = _refused(name, entry, seen)
        seen.add(name)
        shown = f"{file.name}/{name}".encode("utf-8", "backslashreplace").decode()
        if fault is not None:
            yield Reject(shown, None, None, *fault, b"")
            continue
        yield _member(InputFile(shown, file.path, stream=entry.stream), budget, keep, plain)


def _member(member: InputFile, budget: Budget, keep: tuple[str, ...], plain: bool) -> Part:
    stream = member.stream
    assert isinstance(stream, io.BufferedReader)
    head = _peek(stream)
    form = form_of(head)
    try:
        check_name(member.name, form, len(head))
    except BadData as error:
        return Reject(member.name, None, None, "wrong_extension", error.message, head)
    if form is not None:
        stream = unpacked(stream, form, member.name, budget, plain)
    if _is_packed(_peek(stream), keep):
        return Reject(member.name, None, None, "nested_archive", "it is packed twice", head)
    return member._replace(stream=stream)


def _is_packed(head: bytes, keep: tuple[str, ...]) -> bool:
    is_zip = head.startswith(zipped.MAGIC) and "zip" not in keep
    return form_of(head) is not None or is_zip or tar.is_tar(head)


def _is_hidden(name: str) -> bool:
    names = name.removeprefix("./").split("/")
    return names[0] == "__MACOSX" or any(
        part.startswith(".") and part != "." and not part.startswith("..") for part in names
    )


def _refused(name: str, entry: tar.Entry, seen: set[str]) -> tuple[str, str] | None:
    """Why a member is not read, as reason and detail."""
    names = name.replace("\\", "/").split("/")
    if ".." in names:
        return "unsafe_member", "its name leads out of the archive"
    if name.startswith(("/", "\\")) or PureWindowsPath(name).drive:
        return "unsafe_member", "its name is an absolute path"
    odd = not name.isprintable() and any(unicodedata.category(sign).startswith("C") for sign in name)
    if odd or "" in names or "." in names:
        return "unsafe_member", "its name is none that a file may have"
    if entry.unusable:
        return "unsafe_member", f"it is {entry.unusable}"
    if name in seen:
        return "duplicate_member", "the archive has another of that name"
    return None
