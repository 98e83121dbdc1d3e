"""Remote files on this machine: the mirror, the cache by content, and the download that resumes.

A file is looked for in the folder that `SATIETY_MIRROR` names, then in the cache, and only then fetched. Whatever is
found is compared with its SHA-256 each time; what is damaged is an error, never fetched again in silence.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

from ops.errors import BadData, DiskFull, IntegrityError, SatietyError, ServiceDown, StorageError
from ops.sources.remote import Answer, Dropped, Remote, answered

MIRROR, FOLDER, HOME = "SATIETY_MIRROR", "SATIETY_DOWNLOADS", "SATIETY_HOME"
BLOCK = 1 << 18
TRIES = 5
"""So often in a row may a connection end without a byte."""
PAUSE_SECONDS = 0.5
"""Before the second try; doubled before each later one."""

Progress = Callable[[str, int, int | None], None]
"""Told of the file's name, the bytes that are here, and its size if the server says it."""


def _silent(name: str, done: int, of: int | None) -> None:
    """Nobody listens."""


def local(remote: Remote, progress: Progress = _silent) -> Path:
    """The file on this machine, fetched if it is not there.

    Raises:
        BadData: the address serves other bytes than the hash says.
        IntegrityError: the copy that is here is damaged.
        ServiceDown: the server cannot be reached.
        DiskFull: there is no room.
    """
    found = _mirrored(remote)
    if found is not None:
        return found
    place = cached(remote)
    if not place.exists():
        try:
            _fetch(remote, place, progress)
        except SatietyError as error:
            passed = _passed_over(remote)
            if not passed:
                raise
            hint = "; ".join(filter(None, [error.hint, passed]))
            raise type(error)(error.message, where=error.where, hint=hint) from error
    elif _hash(place) != remote.sha256:
        raise IntegrityError("the downloaded copy is damaged", where=str(place), hint="delete it to fetch it again")
    return place


def is_here(remote: Remote) -> bool:
    """Whether the file can be had without network."""
    return cached(remote).exists() or _mirrored(remote) is not None


def folder() -> Path:
    """The folder of downloads: `SATIETY_DOWNLOADS`, or `downloads` in `SATIETY_HOME`, by default `.satiety`."""
    named = os.environ.get(FOLDER)
    return Path(named) if named else Path(os.environ.get(HOME) or ".satiety") / "downloads"


def cached(remote: Remote) -> Path:
    """Where the file lies once it is downloaded."""
    return folder() / "sha256" / remote.sha256[:2] / remote.sha256


def _mirrored(remote: Remote) -> Path | None:
    """The file in the mirror: named by its hash, or of the address's name anywhere in it, and of that hash."""
    named = os.environ.get(MIRROR)
    if not named:
        return None
    for path in _candidates(remote, named):
        if path.is_file() and _hash(path) == remote.sha256:
            return path
    return None


def _candidates(remote: Remote, mirror: str) -> list[Path]:
    names = dict.fromkeys((remote.name, remote.file))
    return [Path(mirror, remote.sha256), *(path for name in names for path in _by_name(mirror).get(name, []))]


def _passed_over(remote: Remote) -> str:
    """Why the mirror was of no use, if something about it is odd."""
    named = os.environ.get(MIRROR)
    if not named:
        return ""
    if not Path(named).is_dir():
        return f"{MIRROR} names no folder: {named}"
    there = [path for path in _candidates(remote, named) if path.is_file()]
    return f"{there[0]} has another SHA-256: {_hash(there[0])}" if there else ""


@cache
def _by_name(mirror: str) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for place, folders, names in os.walk(mirror):
        folders.sort()
        for name in sorted(names):
            found.setdefault(name, []).append(Path(place, name))
    return found


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fetch(remote: Remote, place: Path, progress: Progress) -> None:
    from filelock import FileLock

    part = place.with_name(f"{place.name}.part")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place}.lock"):
            if place.exists():  # by another process, meanwhile
                return
            resumed = part.exists() and part.stat().st_size > 0
            found = _whole(remote, part, progress)
            if found != remote.sha256 and resumed:
                # The part that was here may have been of another file.
                part.unlink()
                found = _whole(remote, part, progress)
            if found != remote.sha256:
                part.unlink()
                raise BadData(f"serves other bytes: SHA-256 {found}, expected is {remote.sha256}", where=remote.shown)
            part.chmod(0o444)
            part.replace(place)
            _sync(place.parent)
    except OSError as error:
        raise _failed(error, place) from error


def _failed(error: OSError, place: Path) -> StorageError:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"no room for a download: {error.strerror}", where=str(place.parent))
    return StorageError(f"cannot be written: {error.strerror or error}", where=str(place))


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _whole(remote: Remote, part: Path, progress: Progress) -> str:
    """Fetch what is missing, over several connections if need be; returns the SHA-256 of what came."""
    idle = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            with answered(remote, before) as answer:
                _append(remote, answer, part, progress)
            break
        except Dropped as error:
            after = part.stat().st_size if part.exists() else 0
            idle = 0 if after > before else idle + 1
            if idle >= TRIES:
                hint = "what came is kept; run it again, or put the file into the SATIETY_MIRROR folder"
                raise ServiceDown(f"cannot be fetched: {error}", where=remote.shown, hint=hint) from error
            time.sleep(PAUSE_SECONDS * 2 ** max(idle - 1, 0))
    return _hash(part)


def _append(remote: Remote, answer: Answer, part: Path, progress: Progress) -> None:
    """Write what a server gives behind what is here.

    Raises:
        Dropped: the connection ended before the file did.
        BadData: there is more than there should be.
    """
    if remote.bytes is not None and answer.size is not None and answer.size < remote.bytes:
        raise BadData(f"serves {answer.size:,} bytes, `bytes` says {remote.bytes:,}", where=remote.shown)
    size = remote.bytes or answer.size
    free = shutil.disk_usage(part.parent).free
    if size is not None and size - answer.start > free:
        raise DiskFull(f"{size - answer.start:,} bytes are to be fetched, {free:,} are free", where=str(part.parent))
    with part.open("r+b" if answer.start else "wb") as file:
        done = file.seek(answer.start)
        progress(remote.name, done, size)
        while data := _read(answer):
            file.write(data)
            done += len(data)
            progress(remote.name, done, size)
            if size is not None and done > size:
                part.unlink()
                raise BadData(f"serves more than {size:,} bytes", where=remote.shown)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    if size is not None and done < size:
        raise Dropped(f"the connection ended at byte {done} of {size}")


def _read(answer: Answer) -> bytes:
    try:
        return bytes(answer.stream.read(BLOCK))
    except Exception as error:  # what reads from far away raises what its protocol likes
        raise Dropped(str(error) or type(error).__name__) from error
