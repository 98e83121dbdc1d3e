"""Hash everything again: names each file that is broken, missing, or not listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ops.errors import SatietyError
from ops.storage.current import CURRENT
from ops.storage.manifest import COST, MANIFEST, Manifest, load_sealed
from ops.storage.store import Slot, Store
from ops.storage.version import verify_file

Progress = Callable[[Path, int], None]
Good = set[tuple[int, int, str]]
"""Files found good in this run (device, inode, SHA-256): `current/` is mostly links, hashed once."""


class Problem(NamedTuple):
    """A file that is not as it was committed.

    Attributes:
        path: the file.
        what: what is wrong with it.
    """

    path: Path
    what: str


def verify(store: Store, recipe: str | None = None, on_progress: Progress | None = None) -> list[Problem]:
    """Hash every file of every version and of every `current/`, trusting neither modes, times nor earlier reads.

    Args:
        store: the store.
        recipe: only this recipe.
        on_progress: called with path and bytes of each file before it is hashed.

    Returns:
        Every problem, sorted by path; empty when all is well.
    """
    problems: list[Problem] = []
    good: Good = set()
    for slot in store.slots():
        if recipe is not None and slot.recipe != recipe:
            continue
        for fingerprint in slot.fingerprints():
            problems.extend(_check_folder(slot, fingerprint, good, on_progress))
        if (slot.path / CURRENT).exists():
            found = list(_check_folder(slot, CURRENT, good, on_progress))
            if found:  # it may have been exchanged under our eyes: what is wrong stays wrong under the lock
                with slot.lock_current():
                    found = list(_check_folder(slot, CURRENT, good, None))
            problems.extend(found)
    return sorted(problems)


def _check_folder(slot: Slot, name: str, good: Good, on_progress: Progress | None) -> Iterator[Problem]:
    folder = slot.path / name
    listed = {MANIFEST}
    try:
        manifest = Manifest.load(folder / MANIFEST)
        slot.check_place(manifest, manifest.fingerprint if name == CURRENT else name, folder)
    except SatietyError as error:
        yield Problem(folder / MANIFEST, error.message)
        return
    for entry in manifest.files:
        listed.add(entry.name)
        if on_progress:
            on_progress(folder / entry.name, entry.bytes)
        try:
            status = (folder / entry.name).stat()
            inode = (status.st_dev, status.st_ino, entry.sha256)
            if inode not in good or status.st_size != entry.bytes:
                verify_file(folder / entry.name, entry)
                good.add(inode)
        except FileNotFoundError:
            yield Problem(folder / entry.name, "file is missing")
        except OSError as error:
            yield Problem(folder / entry.name, f"cannot be read: {error.strerror}")
        except SatietyError as error:
            yield Problem(folder / entry.name, error.message)
    if name != CURRENT and (folder / COST).exists():
        listed.add(COST)
        try:
            load_sealed(folder / COST)
        except SatietyError as error:
            yield Problem(folder / COST, error.message)
    for path in sorted(folder.iterdir()):
        if path.name not in listed:
            yield Problem(path, "not listed in the manifest")
