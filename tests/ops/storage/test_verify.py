from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ops.storage import Store, verify
from tests.ops.storage.helpers import INPUTS, NEW, OLD, slot_of, tree, write_new, write_old


@pytest.fixture
def store(tmp_path: Path) -> Store:
    slot = slot_of(tmp_path)
    slot.commit(OLD, INPUTS, write_old)
    slot.commit(NEW, INPUTS, write_new)
    return slot.store


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-3] ^= 4
    path.write_bytes(data)


def test_a_good_store_has_no_problems_and_is_not_touched(store: Store) -> None:
    before = tree(store.root)
    told: list[tuple[str, int]] = []
    assert verify(store, on_progress=lambda path, size: told.append((path.name, size))) == []
    assert tree(store.root) == before
    assert ("tokens.bin", 214) in told and len(told) == 2 + 3 + 3


@pytest.mark.parametrize("name", ["tokens.bin", "statistics.json", "history.jsonl"])
def test_bit_rot_is_found_though_this_process_has_read_the_file_before(store: Store, name: str) -> None:
    slot = slot_of(store.root)
    version = slot.version(NEW)
    assert version is not None
    version.check()
    status = (version.path / name).stat()
    damage(version.path / name)
    os.utime(version.path / name, ns=(status.st_atime_ns, status.st_mtime_ns))  # as a failing disk would
    (version.path / name).chmod(0o444)
    problems = verify(store)
    # The file in current/ is the same inode, so both are named.
    assert [problem.path for problem in problems] == [version.path / name, slot.path / "current" / name]
    assert all("bytes are not what the manifest says" in problem.what for problem in problems)


@pytest.mark.parametrize("name", ["manifest.json", "cost.json"])
def test_broken_seals_are_found(store: Store, name: str) -> None:
    path = slot_of(store.root).path / OLD / name
    damage(path)
    [problem] = verify(store)
    assert problem.path == path and "seal broken" in problem.what


def test_missing_and_unlisted_files_are_named(store: Store) -> None:
    slot = slot_of(store.root)
    (slot.path / OLD / "data.bin").unlink()
    (slot.path / OLD / "stranger").write_text("x")
    (slot.path / "current" / "folder").mkdir()
    assert verify(store) == [
        (slot.path / OLD / "data.bin", "file is missing"),
        (slot.path / OLD / "stranger", "not listed in the manifest"),
        (slot.path / "current" / "folder", "not listed in the manifest"),
    ]


def test_a_folder_without_a_manifest_and_one_in_the_wrong_place_are_named(store: Store) -> None:
    slot = slot_of(store.root)
    (slot.path / OLD / "manifest.json").unlink()
    shutil.copytree(slot.path / NEW, slot.path / "f0")
    problems = verify(store)
    assert [problem.path for problem in problems] == [
        slot.path / OLD / "manifest.json",
        slot.path / "f0" / "manifest.json",
    ]
    assert problems[0].what == "file is missing"
    assert "belongs to" in problems[1].what


def test_a_file_of_dvc_in_current_is_hashed_on_its_own(store: Store) -> None:
    path = slot_of(store.root).path / "current/tokens.bin"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    assert verify(store) == []
    damage(path)
    assert [problem.path for problem in verify(store)] == [path]


def test_only_the_recipe_asked_for(store: Store) -> None:
    version, _ = store.slot("other", "shards").commit(OLD, INPUTS, write_old)
    damage(version.path / "data.bin")
    assert verify(store, recipe="demo") == []
    assert len(verify(store, recipe="other")) == 2
