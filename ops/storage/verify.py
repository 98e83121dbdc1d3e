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


class Problem(NamedTuple):
    """A file that is not as it was committed.

    Attributes:
        path: the file.
        what: what is wrong with it.
    """

    path: Path
    what: str


def verify(
    store: Store, recipe: str | None = None, on_progress: Callable[[Path, int], None] | None = None
) -> list[Problem]:
    """Hash every file of every version and of every `current/`, trusting neither modes, times nor earlier reads.

    Args:
        store: the store.
        recipe: only this recipe.
        on_progress: called with path and bytes of each file before it is hashed.

    Returns:
        Every problem, sorted by path; empty when all is well.
    """
    problems: list[Problem] = []
    for slot in store.slots():
        if recipe is not None and slot.recipe != recipe:
            continue
        for name in (*slot.fingerprints(), CURRENT):
            if name != CURRENT or (slot.path / name).exists():
                problems.extend(_check_folder(slot, name, on_progress))
    return sorted(problems)


def _check_folder(slot: Slot, name: str, on_progress: Callable[[Path, int], None] | None) -> Iterator[Problem]:
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
            verify_file(folder / entry.name, entry)
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
