"""What can go: leftovers of dead writers, scratch of finished builds, versions out of use."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ops.errors import ConfigError
from ops.storage import current, files, lock, staging
from ops.storage.history import read_history
from ops.storage.store import Slot, Store

Progress = Callable[[Path, int], None]


class Removal(NamedTuple):
    """Something that gc removes.

    Attributes:
        path: file or folder.
        bytes: what it frees; files that are also linked from elsewhere count as nothing.
        why: the reason, in words.
    """

    path: Path
    bytes: int
    why: str


def gc(
    store: Store,
    dry_run: bool = True,
    keep: int = 1,
    recipe: str | None = None,
    on_progress: Progress | None = None,
) -> list[Removal]:
    """Find, and unless `dry_run` remove, what nobody needs any more.

    Staging folders go when their writer is dead; scratch folders when their version is committed; versions when they
    are neither in `current/` nor among the `keep` that were in use last (by the slot's history, not by any clock).
    Where a slot has no history its versions stay: nothing says which are old. What another process is building or
    committing is left alone. A removed version leaves its name in one step, so a crash leaves none half removed; who
    still reads a version out of use then finds its files missing.

    Args:
        store: the store.
        dry_run: only list.
        keep: versions to keep per slot, at least 1.
        recipe: only this recipe's slots; staging folders are shared and always looked at.
        on_progress: called with path and bytes of each thing found.

    Returns:
        What was (or would be) removed.

    Raises:
        ConfigError: `keep` is less than 1.
        IntegrityError: a `current/` is broken, so that what it needs is not known.
    """
    if keep < 1:
        raise ConfigError(f"keep={keep} would remove versions in use", hint="keep at least 1")
    removed = []
    for removal, remove in _candidates(store, keep, recipe):
        if dry_run or remove():
            removed.append(removal)
            if on_progress:
                on_progress(removal.path, removal.bytes)
    return removed


def _candidates(store: Store, keep: int, recipe: str | None) -> Iterator[tuple[Removal, Callable[[], bool]]]:
    for path in staging.dead(store.root):
        yield Removal(path, size_of(path), "its writer is gone"), partial(staging.sweep, store.root, path)
    for slot in store.slots():
        if recipe is not None and slot.recipe != recipe:
            continue
        yield from _slot_candidates(slot, keep)


def _slot_candidates(slot: Slot, keep: int) -> Iterator[tuple[Removal, Callable[[], bool]]]:
    if lock.is_free(slot.lock_path(current.CURRENT)):
        whole = (slot.path / current.CURRENT).exists()  # if not, the old folder is what comes back
        left = [path for path in current.leftovers(slot.path) if whole or not path.name.startswith(current.OLD)]
        for removal in [Removal(path, size_of(path), "left by an interrupted swap") for path in left]:
            yield removal, partial(_repair, slot)
    committed = slot.fingerprints()
    for fingerprint in committed:
        work = slot.work_path(fingerprint)
        if work.is_dir():
            removal = Removal(work, size_of(work), "scratch of a committed version")
            yield removal, partial(_remove_scratch, slot, fingerprint, work)
    for fingerprint in sorted(set(committed) - in_use(slot, keep)):
        path = slot.path / fingerprint
        yield Removal(path, size_of(path), "not in use"), partial(_remove_version, slot, fingerprint, path, keep)


def in_use(slot: Slot, keep: int) -> set[str]:
    """Fingerprints that stay: the one in `current/` and the last `keep` of the history that are still there."""
    committed = slot.fingerprints()
    known = [fingerprint for fingerprint in read_history(slot.path) if fingerprint in committed]
    if not known:
        return set(committed)
    now = slot.peek()
    return {*known[-keep:], *([now] if now else [])}


def _repair(slot: Slot) -> bool:
    with slot.lock_current():
        current.repair(slot.path)
    return True


def _remove_scratch(slot: Slot, fingerprint: str, path: Path) -> bool:
    with lock.try_hold(slot.lock_path(fingerprint)) as free:
        if free:
            staging.discard(slot.store.root, path)
        return free


def _remove_version(slot: Slot, fingerprint: str, path: Path, keep: int) -> bool:
    # Looked at again under both locks: it may have come into use since it was listed.
    with lock.try_hold(slot.lock_path(fingerprint)) as free:
        if not free:
            return False
        with slot.lock_current():
            if fingerprint in in_use(slot, keep):
                return False
            staging.discard(slot.store.root, path)
        files.unlink(slot.lock_path(fingerprint))
        return True


def size_of(path: Path) -> int:
    """Bytes that removing a file or folder frees."""
    found = [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]
    total = 0
    for entry in found:
        try:
            status = entry.lstat()
        except FileNotFoundError:  # its writer, or another gc, removes it at this moment
            continue
        if not stat.S_ISDIR(status.st_mode) and status.st_nlink == 1:
            total += status.st_size
    return total
