"""What the tests of the store share: two small results, and a clean slate for the cache of verified files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ops.storage import Counts, Output, Slot, Store, version
from ops.storage.staging import LOCKS, STAGING

OLD, NEW = "a" * 64, "b" * 64
INPUTS = {"raw_corpus": "0" * 32}


def slot_of(root: Path) -> Slot:
    return Store(root).slot("demo", "clean_corpus", "books/é")


def write_old(output: Output) -> Counts:
    output.json("statistics.json", {"version": "old"})
    output.bytes("data.bin", b"old" * 10)
    return Counts(rows_in=3, rows_out=3)


def write_new(output: Output) -> Counts:
    """Files of three kinds without polars, so that a child process starts in no time."""
    output.json("statistics.json", {"version": "new"})
    with output.array("tokens.bin") as tokens:
        tokens.write(np.arange(100, dtype=np.uint16))
        tokens.write(np.arange(7, dtype=np.uint16))
    output.text("history.jsonl", '{"step": 1}\n')
    output.facts({"height": 28})
    output.cost({"flops": 10})
    return Counts(rows_in=10, rows_out=7, rejected={"not_utf8": 1}, dropped={"too_short": 2})


def forget_verified() -> None:
    """As a new process: nothing has been hashed yet."""
    version._verified.clear()


def staging_leftovers(root: Path) -> list[str]:
    return sorted(str(path) for folder in (root / STAGING, root / LOCKS / "staging") for path in folder.glob("*"))


def tree(root: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every path below a folder with mode, inode and content."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(root))] = (status.st_mode, status.st_ino, content)
    return found
