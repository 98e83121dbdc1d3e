"""Staging folders: where a version is written before it gets its name, and who is writing it.

A writer first locks `.locks/staging/<name>.lock`, then makes `.staging/<name>/` with `owner.json` (who, for what) and
`files/` (what will be renamed to the final name). The lock is held until the folder is gone, so whoever can take it
knows that the writer is dead, be it killed, crashed or cut off by a reboot; no process id needs to be trusted.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ops.errors import StorageError
from ops.storage import files, lock

STAGING = ".staging"
LOCKS = ".locks"
OWNER = "owner.json"
FILES = "files"


@dataclass(frozen=True)
class Owner:
    """The process behind a staging folder.

    Attributes:
        pid: process id.
        start: its start time in clock ticks since boot (tells it from a later process of the same id); 0 if unknown.
        boot: the kernel's boot id; empty if unknown.
        host: name of the machine.
        target: what it writes: `recipe/stage/partition/fingerprint`.
    """

    pid: int
    start: int
    boot: str
    host: str
    target: str

    @classmethod
    def this_process(cls, target: str) -> Owner:
        """The owner record of the running process."""
        pid = os.getpid()
        return cls(pid, _start_time(pid), _boot_id(), socket.gethostname(), target)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def _start_time(pid: int) -> int:
    try:
        # The command's name in parentheses may hold spaces; field 22 of proc(5) is the 20th after it.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


@contextmanager
def staging(root: Path, target: str) -> Iterator[Path]:
    """An empty folder on the store's own file system, for the `with` block.

    It may be renamed away within the block; what is left at the end is removed.

    Args:
        root: the store.
        target: what will be written, for those who wait.
    """
    name = f"{secrets.token_hex(8)}.{os.getpid()}"
    lock_path = root / LOCKS / "staging" / f"{name}.lock"
    home = root / STAGING / name
    with lock.hold(lock_path, f"staging folder {name}"):
        try:
            files.make_folder(home / FILES)
            owner = json.dumps(asdict(Owner.this_process(target)))
            files.write_file(home / OWNER, owner.encode())
            yield home / FILES
        finally:
            # Whatever cannot be removed now (a failing disk) is found by gc; the first error is the one to show.
            with suppress(StorageError):
                files.remove_tree(home)
                files.unlink(lock_path)


def owner_of(root: Path, target: str) -> str:
    """Who is writing a target now, in words; empty where nobody says so."""
    for path in sorted((root / STAGING).glob(f"*/{OWNER}")):
        try:
            owner = Owner(**json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            continue  # just being written, or just gone
        if owner.target == target and not is_dead(root, path.parent.name):
            return str(owner)
    return ""


def is_dead(root: Path, name: str) -> bool:
    """Whether the writer of a staging folder is gone."""
    return lock.is_free(root / LOCKS / "staging" / f"{name}.lock")


def dead(root: Path) -> list[Path]:
    """Staging folders whose writer is gone; also those of which only the lock file is left."""
    names = {path.name for path in (root / STAGING).glob("*")}
    names |= {path.stem for path in (root / LOCKS / "staging").glob("*.lock")}
    return [root / STAGING / name for name in sorted(names) if is_dead(root, name)]


def discard(root: Path, path: Path) -> None:
    """Remove a folder in one step as seen by readers: it leaves its name first and is taken apart in staging."""
    with staging(root, f"removal of {path.name}") as folder:
        files.rename(path, folder)  # an empty folder gives way


def sweep(root: Path, home: Path) -> bool:
    """Remove a staging folder and its lock file if its writer is gone; gives whether it was."""
    lock_path = root / LOCKS / "staging" / f"{home.name}.lock"
    with lock.try_hold(lock_path) as free:
        if free:
            files.remove_tree(home)
            files.unlink(lock_path)
        return free
