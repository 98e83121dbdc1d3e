"""File locks between threads and processes: the kernel frees them when their holder dies, however it dies."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ops.errors import StorageError
from ops.storage import faults
from ops.storage.files import make_folder, translate

PATIENCE_S = 3.0
"""Seconds of silent waiting; after that the waiting process says whom it waits for."""

POLL_S = 0.05

log = logging.getLogger("satiety.storage")


@contextmanager
def hold(path: Path, what: str, holder: Callable[[], str] | None = None) -> Iterator[None]:
    """Hold the lock file for the `with` block, waiting as long as another thread or process holds it.

    Args:
        path: the lock file; it stays when the lock is released.
        what: what the lock is for, in the words of the waiting message.
        holder: asked who holds it, once, when the wait gets long.

    Raises:
        StorageError: the lock file cannot be made.
    """
    lock = _open(path)
    try:
        try:
            lock.acquire(timeout=PATIENCE_S, poll_interval=POLL_S)
        except Timeout:
            who = holder() if holder else ""
            log.warning("waiting for %s, held by %s", what, who or "another process")
            lock.acquire(poll_interval=POLL_S)
    except OSError as error:
        raise translate(error, "lock", path) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def try_hold(path: Path) -> Iterator[bool]:
    """Hold the lock for the `with` block if it is free; gives whether it was."""
    lock = _open(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    except OSError as error:
        raise translate(error, "lock", path) from error
    try:
        yield True
    finally:
        lock.release()


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock, without creating its file."""
    if not path.exists():
        return True
    with try_hold(path) as free:
        return free


def _open(path: Path) -> FileLock:
    make_folder(path.parent)
    try:
        faults.point("lock", path)
    except OSError as error:
        raise translate(error, "lock", path) from error
    if path.is_dir():
        raise StorageError("a folder stands where a lock file belongs", where=str(path))
    # Not thread-local: a lock is an object of this call, and threads exclude each other through the kernel as well.
    return FileLock(path, thread_local=False)
