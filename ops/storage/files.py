"""All calls of the store that change the file system: each passes the fault seam and fails with a typed error.

A full disk or quota is `DiskFull` and names the path, the bytes needed and the bytes free; any other failure is
`StorageError`. Nothing is tried twice: after a failed fsync the kernel may drop the dirty pages and report success the
second time (https://lwn.net/Articles/752063/), so the only safe retry is the whole commit.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import secrets
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from ops.errors import DiskFull, StorageError
from ops.storage import faults

T = TypeVar("T")
Buffer = bytes | bytearray | memoryview

COMMITTED_MODE = 0o444
"""Results are read-only: editors ask before they break a version. Renaming and unlinking need only the folder."""

COPY_CHUNK = 1 << 20
NO_LINKS_HERE = frozenset({errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS})
NO_EXCHANGE_HERE = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM})
NO_FOLDER_SYNC_HERE = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.EACCES})
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


HINTS = {
    errno.EACCES: "ask for the right to write there, or name another folder with SATIETY_STORE",
    errno.EROFS: "name another folder with SATIETY_STORE",
    errno.EFBIG: "a file may not be larger here: see `ulimit -f`",
}
"""What to do about errors of the system that no second try mends."""


def translate(error: OSError, operation: str, path: Path, needed: int = 0) -> StorageError:
    """The typed error for a failed system call.

    Args:
        error: what the system said.
        operation: the word for the call, as in the fault log.
        path: what it was about.
        needed: bytes it would have taken; 0 where only the file system knows (one block is named then).
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free, block = _free_space(path)
        full = "the disk quota is used up" if error.errno == errno.EDQUOT else "no space left on the disk"
        return DiskFull(
            f"{full}: {operation} needs {needed or block:,} bytes, {free:,} are free",
            where=str(path),
            hint="free some space (`satiety gc` lists what can go) and run again",
        )
    hint = HINTS.get(error.errno or 0, "")
    return StorageError(f"{operation} failed: {error.strerror or error}", where=str(path), hint=hint)


def _free_space(path: Path) -> tuple[int, int]:
    """Bytes free for this user on the file system of the path, and the size of one block."""
    for folder in (path, *path.parents):
        with suppress(OSError):
            system = os.statvfs(folder)
            return system.f_bavail * system.f_frsize, system.f_frsize
    return 0, 4096


def change(operation: str, path: Path, call: Callable[[], T], needed: int = 0) -> T:
    """Pass the seam, make the call, and turn what the system says into a typed error."""
    try:
        faults.point(operation, path)
        return call()
    except OSError as error:
        raise translate(error, operation, path, needed) from error


def cause_number(error: StorageError) -> int | None:
    """The system's error number behind a typed error."""
    return error.__cause__.errno if isinstance(error.__cause__, OSError) else None


def make_folder(path: Path) -> None:
    """Create a folder and the missing ones above it, each made durable; an existing one is left alone."""
    if path.is_dir():
        return
    make_folder(path.parent)
    try:
        change("mkdir", path, path.mkdir)
    except StorageError as error:
        if cause_number(error) == errno.EEXIST and path.is_dir():  # another process was faster
            return
        raise
    fsync_folder(path.parent)


def fsync_folder(path: Path) -> None:
    """Make the names in a folder durable."""

    def sync() -> None:
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    try:
        change("fsync", path, sync)
    except StorageError as error:
        if cause_number(error) not in NO_FOLDER_SYNC_HERE:
            raise


def rename(source: Path, target: Path) -> None:
    """Rename; a file at the target is replaced in one step."""
    change("rename", target, lambda: source.rename(target))


def rename_new(source: Path, target: Path) -> bool:
    """Rename a folder to a name that nobody has; False where somebody has put a folder with content there."""
    try:
        rename(source, target)
    except StorageError as error:
        if cause_number(error) in (errno.EEXIST, errno.ENOTEMPTY):
            return False
        raise
    return True


def exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step (Linux `renameat2`); False where the system or file system cannot."""
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if libc is None or not hasattr(libc, "renameat2"):
        return False

    def swap() -> None:
        if libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(other))

    try:
        change("exchange", other, swap)
    except StorageError as error:
        if cause_number(error) in NO_EXCHANGE_HERE:
            return False
        raise
    return True


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link a file; copy it where the file system has no such links, or where the source is a symbolic one."""
    if not source.is_symlink():
        try:
            change("link", target, lambda: os.link(source, target))
            return
        except StorageError as error:
            if cause_number(error) not in NO_LINKS_HERE:
                raise
    copy(source, target)


def copy(source: Path, target: Path) -> AtomicFile:
    """Copy a file's bytes; the returned file knows their number and SHA-256."""
    with AtomicFile(target) as file:
        try:
            reader = source.open("rb")
        except OSError as error:
            raise translate(error, "read", source) from error
        with reader:
            while chunk := reader.read(COPY_CHUNK):
                file.write(chunk)
    return file


def unlink(path: Path) -> None:
    """Remove a file or symbolic link; one that is gone already is fine."""
    change("unlink", path, lambda: path.unlink(missing_ok=True))


def remove_tree(path: Path) -> None:
    """Remove a file, or a folder with all it holds; symbolic links are removed, never followed."""
    try:
        folder = stat.S_ISDIR(path.lstat().st_mode)
        entries = sorted(path.iterdir()) if folder else []
    except FileNotFoundError:
        return
    except OSError as error:
        raise translate(error, "read", path) from error
    if not folder:
        unlink(path)
        return
    for entry in entries:
        remove_tree(entry)
    try:
        change("rmdir", path, path.rmdir)
    except StorageError as error:
        if cause_number(error) != errno.ENOENT:  # another process removes it too
            raise


class AtomicFile:
    """A file that appears at its name whole, with durable bytes, or not at all.

    Bytes go to a hidden neighbour, are hashed on the way, fsynced, and the neighbour is renamed at the end of the
    `with` block. If the block raises, the neighbour is removed and the name is as before. The name itself is durable
    once the caller has fsynced the folder, which it does for all its files together.

    Attributes:
        size: bytes written so far.
        error: the first failure of a write; a library that writes through this object may report it in its own words.
    """

    def __init__(self, path: Path, mode: int = COMMITTED_MODE) -> None:
        self.path = path
        self.size = 0
        self.error: StorageError | None = None
        self._part = path.with_name(f".{path.name[:180]}.{secrets.token_hex(4)}.part")
        self._hash = hashlib.sha256()
        self._file = change(
            "create", path, lambda: os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        )

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes written so far, as 64 hex characters."""
        return self._hash.hexdigest()

    def write(self, data: Buffer) -> int:
        """Append bytes; returns how many, which is always all of them."""
        view = memoryview(data).cast("B")
        try:
            change("write", self.path, lambda: self._write_all(view), needed=len(view))
        except StorageError as error:
            self.error = self.error or error
            raise
        self._hash.update(view)
        self.size += len(view)
        return len(view)

    def _write_all(self, view: memoryview) -> None:
        while view:
            view = view[os.write(self._file, view) :]

    def flush(self) -> None:
        """Nothing to do: writes are not buffered. Libraries that take a file object ask for it."""

    def __enter__(self) -> AtomicFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            with suppress(OSError):  # the error on its way out is the one to show
                os.close(self._file)
            self._give_up()
            return
        try:
            self._sync_and_close()
            rename(self._part, self.path)
        except StorageError:
            self._give_up()
            raise

    def _sync_and_close(self) -> None:
        try:
            if self.error:  # a library has swallowed it
                raise self.error
            change("fsync", self.path, lambda: os.fsync(self._file))
        finally:
            try:
                os.close(self._file)
            except OSError as error:
                raise translate(error, "close", self.path) from error

    def _give_up(self) -> None:
        # The first error is what the user must see; a neighbour that cannot be removed now is left to gc.
        with suppress(StorageError):
            unlink(self._part)


def write_file(path: Path, data: bytes, mode: int = COMMITTED_MODE) -> AtomicFile:
    """Write a whole file; the returned file knows its size and SHA-256."""
    with AtomicFile(path, mode) as file:
        file.write(data)
    return file
