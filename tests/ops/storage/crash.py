"""Runs an act on a store again and again, and ends it at its 1st, 2nd, 3rd … change of the file system.

    python -m tests.ops.storage.crash ACT HOW FOLDER [two-renames] [at-the-end]

leaves FOLDER/1, FOLDER/2, … each the store as the next process finds it, and prints the number of the first run that
got through. HOW is `kill` (SIGKILL at that call) or one of two models of a power cut at that call:

    lost    file contents and folder entries are as they were when last fsynced, all else is gone
    eager   folder entries are as they are, file contents as they were when last fsynced

With `at-the-end` only the run that gets through is made: the power goes right after the act has returned.

A process of its own that imports neither polars nor pytest has no threads, so a run is a fork and costs milliseconds.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from ops.storage import Store, faults, files, gc
from tests.ops.storage.helpers import INPUTS, NEW, OLD, slot_of, write_new, write_old


def nothing(root: Path) -> None:
    root.mkdir(parents=True)


def with_old(root: Path) -> None:
    slot_of(root).commit(OLD, INPUTS, write_old)


def with_both(root: Path) -> None:
    with_old(root)
    commit_new(root)


def pulled(root: Path) -> None:
    """As after `git clone` and `dvc pull`: `current/` is all there is."""
    commit_new(root)
    for path in root.glob(".*"):
        shutil.rmtree(path)
    shutil.rmtree(slot_of(root).path / NEW)
    (slot_of(root).path / "history").unlink()


def commit_new(root: Path) -> None:
    version, _ = slot_of(root).commit(NEW, INPUTS, write_new)
    version.check()


def adopt_new(root: Path) -> None:
    assert slot_of(root).version(NEW) is not None


def point_old(root: Path) -> None:
    version = slot_of(root).version(OLD)
    assert version is not None
    slot_of(root).point(version)


def collect(root: Path) -> None:
    gc(Store(root), dry_run=False)


ACTS: dict[str, tuple[Callable[[Path], None], Callable[[Path], None]]] = {
    "first": (nothing, commit_new),
    "second": (with_old, commit_new),
    "adopt": (pulled, adopt_new),
    "point": (with_both, point_old),
    "gc": (with_both, collect),
}


class PowerCut:
    """Keeps what an fsync has made durable, and writes out what a machine would find after a power cut."""

    def __init__(self, root: Path, target: Path, eager: bool) -> None:
        self.root, self.target, self.eager = root, target, eager
        self.contents: dict[int, bytes] = {}
        self.entries: dict[int, dict[str, int]] = {}
        self.kept: list[int] = []
        for path in (root.parent, root, *root.rglob("*")):  # all that is there before is durable
            self.remember(os.open(path, os.O_RDONLY))

    def remember(self, descriptor: int) -> None:
        # The descriptor stays open, so that the inode number is not given to another file.
        self.kept.append(descriptor)
        status = os.fstat(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}")
        if stat.S_ISDIR(status.st_mode):
            self.entries[status.st_ino] = {entry.name: entry.lstat().st_ino for entry in path.iterdir()}
        else:
            self.contents[status.st_ino] = path.read_bytes()

    def sync(self, descriptor: int) -> None:
        self.remember(os.dup(descriptor))

    def write_out(self) -> None:
        if self.eager:
            self.write_now(self.root, self.target)
        else:
            self.write_durable(self.root.stat().st_ino, self.target)

    def write_now(self, source: Path, target: Path) -> None:
        target.mkdir()
        for path in source.iterdir():
            if path.is_dir():
                self.write_now(path, target / path.name)
            else:
                (target / path.name).write_bytes(self.contents.get(path.stat().st_ino, b""))

    def write_durable(self, inode: int, target: Path) -> None:
        target.mkdir()
        for name, child in self.entries.get(inode, {}).items():
            if child in self.contents:
                (target / name).write_bytes(self.contents[child])
            elif child in self.entries:
                self.write_durable(child, target / name)
            # A name whose inode was never synced may come back as a folder or an empty file; it is dropped here.


def replace_fsync(sync: Callable[[int], None]) -> None:
    """The disk itself is not waited for: a kill loses nothing that the kernel has, and a power cut is modelled."""
    setattr(os, "fsync", sync)  # noqa: B010  # mypy knows that a module's function is not to be assigned


def cut_power_at(number: int, cut: PowerCut) -> None:
    """Let the fault seam end the process at its Nth call, after the power cut was written out."""
    count = 0

    def point(operation: str, path: Path) -> None:
        nonlocal count
        count += 1
        if count == number:
            cut.write_out()
            os._exit(9)

    faults.point = point


def child(act: Callable[[Path], None], how: str, root: Path, number: int) -> None:
    if how == "kill":
        os.environ["SATIETY_FAULT"] = f"kill@{number}"
        act(root)
        return
    before = root.with_name(f"{root.name}.before")
    root.rename(before)
    cut = PowerCut(before, root, eager=how == "eager")
    replace_fsync(cut.sync)
    cut_power_at(number, cut)
    act(before)
    cut.write_out()  # the power goes right after the act: what it has promised must be there


def main(act_name: str, how: str, folder: Path, first: int) -> int:
    prepare, act = ACTS[act_name]
    prepare(folder / "start")
    for number in range(first, first + 1000):
        root = folder / str(number)
        shutil.copytree(folder / "start", root, copy_function=os.link)
        pid = os.fork()
        if pid == 0:
            try:
                child(act, how, root, number)
            except BaseException as error:
                print(f"{number}: {error!r}", file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if status == 0:
            return number
        if status not in (-9, 9):
            raise SystemExit(f"run {number} ended with {status}")
    raise SystemExit("no run got through")


if __name__ == "__main__":
    if "two-renames" in sys.argv:
        files.exchange = lambda one, other: False
    assert "polars" not in sys.modules
    replace_fsync(lambda descriptor: None)
    print(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), 10_000 if "at-the-end" in sys.argv else 1))
