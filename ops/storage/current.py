"""`current/`: a real folder of hard links to the version in use, exchanged in one step.

DVC names this folder as a stage's output. It may delete it before a stage runs, and replaces its files by links of its
own; neither touches the versions. Where the system can exchange two names (Linux), no moment is without a `current/`;
elsewhere there is one between two renames, and whoever finds it puts the old folder back first (`repair`).
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

from ops.errors import IntegrityError, StorageError
from ops.storage import files
from ops.storage.history import HISTORY
from ops.storage.manifest import MANIFEST
from ops.storage.version import Version

CURRENT = "current"
NEW, OLD = "current.new-", "current.old-"


def leftovers(slot: Path) -> list[Path]:
    """What an interrupted swap has left in a slot, or is using now."""
    if not slot.is_dir():
        return []
    return sorted(path for path in slot.iterdir() if path.name.startswith((NEW, OLD, f".{HISTORY}.")))


def repair(slot: Path) -> None:
    """Finish or undo an interrupted swap. The caller holds the slot's lock."""
    for path in leftovers(slot):
        if path.name.startswith(OLD) and not (slot / CURRENT).exists():
            files.rename(path, slot / CURRENT)
            files.fsync_folder(slot)
        else:
            files.remove_tree(path)


def points_at(slot: Path, version: Version) -> bool:
    """Whether `current/` already shows this version: the same manifest and every file in full, nothing else.

    Contents are not hashed: DVC watches over what lies here, and `verify` does.
    """
    folder = slot / CURRENT
    try:
        if folder.is_symlink() or not folder.is_dir():
            return False
        if (folder / MANIFEST).read_bytes() != (version.path / MANIFEST).read_bytes():
            return False
        if {path.name for path in folder.iterdir()} != {MANIFEST, *(file.name for file in version.manifest.files)}:
            return False
        return all((folder / file.name).stat().st_size == file.bytes for file in version.manifest.files)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise files.translate(error, "read", folder) from error


def point_at(slot: Path, version: Version) -> None:
    """Make `current/` show a version. The caller holds the slot's lock."""
    repair(slot)
    if points_at(slot, version):
        return
    token = secrets.token_hex(4)
    new = slot / f"{NEW}{token}"
    try:
        populate(new, version)
        swap(slot, new, slot / f"{OLD}{token}")
    finally:
        # After an exchange the old folder lies here; after a failure, the unfinished new one.
        with suppress(StorageError):
            files.remove_tree(new)


def populate(folder: Path, version: Version) -> None:
    """Fill a new folder with links to a version's files, the manifest last."""
    files.make_folder(folder)
    for name in (*(file.name for file in version.manifest.files), MANIFEST):
        try:
            files.link_or_copy(version.path / name, folder / name)
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise IntegrityError("file is missing", where=str(version.path / name)) from error
            raise
    files.fsync_folder(folder)


def swap(slot: Path, new: Path, old: Path) -> None:
    """Put the new folder in `current/`'s place."""
    current = slot / CURRENT
    if not (current.exists() or current.is_symlink()):
        files.rename(new, current)
    elif not files.exchange(new, current):
        files.rename(current, old)
        files.rename(new, current)
    files.fsync_folder(slot)
    files.remove_tree(old)
