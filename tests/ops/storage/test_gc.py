from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ops.errors import ConfigError
from ops.storage import Store, files, gc, lock
from ops.storage.gc import _candidates
from ops.storage.staging import STAGING, staging, sweep
from tests.ops.storage.helpers import INPUTS, NEW, OLD, slot_of, staging_leftovers, tree, write_new, write_old

REPOSITORY = Path(__file__).parents[3]


def names(removed: list) -> list[tuple[str, str]]:
    return [(removal.path.name, removal.why) for removal in removed]


def kill_in_the_middle(root: Path) -> None:
    """Leave what a killed writer leaves."""
    code = "import sys, pathlib; from tests.ops.storage import crash; crash.commit_new(pathlib.Path(sys.argv[1]))"
    environment = {**os.environ, "SATIETY_FAULT": "kill@30"}
    process = subprocess.run([sys.executable, "-c", code, str(root)], env=environment, cwd=REPOSITORY, check=False)
    assert process.returncode == -signal.SIGKILL


def test_a_dry_run_touches_nothing_and_says_what_a_real_one_does(tmp_path: Path) -> None:
    slot = slot_of(tmp_path)
    slot.commit(OLD, INPUTS, write_old)
    kill_in_the_middle(tmp_path)
    slot.commit(NEW, INPUTS, write_new)
    (slot.work(NEW) / "checkpoint").write_bytes(b"x" * 1000)
    before = tree(tmp_path)
    listed = gc(Store(tmp_path))
    assert tree(tmp_path) == before
    [dead, scratch, old] = listed
    assert dead.path.parent == tmp_path / STAGING and dead.why == "its writer is gone" and dead.bytes > 0
    assert scratch == (slot.work_path(NEW), 1000, "scratch of a committed version")
    assert (old.path, old.why) == (slot.path / OLD, "not in use")
    assert old.bytes == sum(path.stat().st_size for path in (slot.path / OLD).iterdir())
    told: list[tuple[Path, int]] = []
    assert gc(Store(tmp_path), dry_run=False, on_progress=lambda path, size: told.append((path, size))) == listed
    assert told == [(removal.path, removal.bytes) for removal in listed]
    assert slot.fingerprints() == [NEW]
    assert not slot.work_path(NEW).exists() and staging_leftovers(tmp_path) == []
    assert gc(Store(tmp_path), dry_run=False) == []


def test_versions_are_kept_by_order_of_use_not_by_any_clock(tmp_path: Path) -> None:
    slot = slot_of(tmp_path)
    versions = {name: slot.commit(name, INPUTS, write_new)[0] for name in ("f1", "f2", "f3", "f4")}
    slot.point(versions["f2"])
    for offset, version in enumerate(versions.values()):  # the clocks say the opposite
        os.utime(version.path, (10_000 - offset, 10_000 - offset))
    assert names(gc(slot.store, keep=4)) == []
    assert names(gc(slot.store, keep=3)) == [("f1", "not in use")]
    assert names(gc(slot.store, keep=2)) == [("f1", "not in use"), ("f3", "not in use")]
    gc(slot.store, keep=1, dry_run=False)
    assert slot.fingerprints() == ["f2"]
    assert slot.current() == versions["f2"]


def test_current_stays_even_if_the_history_says_otherwise(tmp_path: Path) -> None:
    slot = slot_of(tmp_path)
    slot.commit(OLD, INPUTS, write_old)
    slot.commit(NEW, INPUTS, write_new)
    (slot.path / "history").write_text(f"{NEW}\n{OLD}\n\x00torn")
    assert names(gc(slot.store, keep=1)) == []
    (slot.path / "history").unlink()
    assert names(gc(slot.store, keep=1)) == []  # nothing says which is old


def test_without_current_the_last_one_in_use_stays(tmp_path: Path) -> None:
    slot = slot_of(tmp_path)
    slot.commit(OLD, INPUTS, write_old)
    slot.commit(NEW, INPUTS, write_new)
    shutil.rmtree(slot.path / "current")
    assert names(gc(slot.store)) == [(OLD, "not in use")]


def test_who_is_alive_is_left_alone(tmp_path: Path) -> None:
    with staging(tmp_path, "demo/shards/all/f1") as folder:
        (folder / "half").write_text("x")
        assert gc(Store(tmp_path), dry_run=False) == []
        assert (folder / "half").exists()
    assert staging_leftovers(tmp_path) == []


def test_what_comes_into_use_after_it_was_listed_stays(tmp_path: Path) -> None:
    slot = slot_of(tmp_path)
    old, _ = slot.commit(OLD, INPUTS, write_old)
    new, _ = slot.commit(NEW, INPUTS, write_new)
    [(_, remove)] = list(_candidates(slot.store, keep=1, recipe=None))
    slot.point(old)
    assert not remove()
    slot.point(new)
    with lock.hold(slot.lock_path(OLD), "a build"):
        assert not remove()
    assert slot.fingerprints() == [OLD, NEW]
    assert remove()
    assert slot.fingerprints() == [NEW]


def test_a_writer_that_comes_to_life_after_it_was_listed_is_left_alone(tmp_path: Path) -> None:
    with staging(tmp_path, "demo/shards/all/f1") as folder:
        assert not sweep(tmp_path, folder.parent)
        assert folder.exists()


def test_scratch_of_what_is_not_committed_stays(tmp_path: Path) -> None:
    slot = slot_of(tmp_path)
    slot.commit(OLD, INPUTS, write_old)
    (slot.work(NEW) / "checkpoint").write_text("x")
    assert names(gc(slot.store, dry_run=False)) == []
    assert (slot.work(NEW) / "checkpoint").exists()


def test_leftovers_of_an_interrupted_swap_go_and_the_old_folder_comes_back(tmp_path: Path) -> None:
    slot = slot_of(tmp_path)
    version, _ = slot.commit(NEW, INPUTS, write_new)
    (slot.path / "current.new-1").mkdir()
    assert names(gc(slot.store)) == [("current.new-1", "left by an interrupted swap")]
    gc(slot.store, dry_run=False)
    assert not (slot.path / "current.new-1").exists()
    (slot.path / "current").rename(slot.path / "current.old-1")
    assert gc(slot.store) == []
    assert slot.current() == version
    assert (slot.path / "current").is_dir() and not (slot.path / "current.old-1").exists()


def test_only_the_recipe_asked_for(tmp_path: Path) -> None:
    for recipe in ("one", "other"):
        for fingerprint in (OLD, NEW):
            Store(tmp_path).slot(recipe, "shards").commit(fingerprint, INPUTS, write_old)
    removed = gc(Store(tmp_path), dry_run=False, recipe="one")
    assert [removal.path for removal in removed] == [tmp_path / "one/shards/all" / OLD]


def test_links_elsewhere_count_as_nothing_freed(tmp_path: Path) -> None:
    slot = slot_of(tmp_path / "store")
    version, _ = slot.commit(OLD, INPUTS, write_old)
    os.link(version.path / "data.bin", tmp_path / "cache")
    slot.commit(NEW, INPUTS, write_new)
    [removal] = gc(slot.store)
    assert removal.bytes == sum(path.stat().st_size for path in version.path.iterdir()) - 30


def test_a_version_leaves_its_name_before_it_is_taken_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slot = slot_of(tmp_path)
    slot.commit(OLD, INPUTS, write_old)
    slot.commit(NEW, INPUTS, write_new)
    real = files.unlink

    def unlink(path: Path) -> None:
        assert (slot.path / OLD) not in path.parents
        real(path)

    monkeypatch.setattr(files, "unlink", unlink)
    assert names(gc(slot.store, dry_run=False)) == [(OLD, "not in use")]


@pytest.mark.parametrize("keep", [0, -1])
def test_keeping_none_is_refused(tmp_path: Path, keep: int) -> None:
    with pytest.raises(ConfigError, match="keep at least 1"):
        gc(Store(tmp_path), keep=keep)


def test_an_empty_store_has_nothing_to_collect(tmp_path: Path) -> None:
    assert gc(Store(tmp_path / "none"), dry_run=False) == []
    assert not (tmp_path / "none").exists()
