"""Committing, finding, pointing, and taking over what DVC has restored."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ops.errors import ConfigError, IntegrityError, StorageError
from ops.storage import Counts, Output, Slot, Store, Version, current, files, verify
from tests.ops.storage.helpers import (
    INPUTS,
    NEW,
    OLD,
    forget_verified,
    slot_of,
    staging_leftovers,
    tree,
    write_new,
    write_old,
)


@pytest.fixture
def slot(tmp_path: Path) -> Slot:
    return slot_of(tmp_path / "store")


@pytest.fixture(params=["exchange", "two renames"])
def any_swap(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "two renames":
        monkeypatch.setattr(files, "exchange", lambda one, other: False)
    return str(request.param)


def forbidden(output: Output) -> Counts | None:
    pytest.fail("built although it was there")


def shown(slot: Slot) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (slot.path / "current").iterdir()}


def committed(version: Version) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in version.path.iterdir() if path.name != "cost.json"}


def test_a_commit_is_found_again_and_not_built_twice(slot: Slot) -> None:
    assert slot.version(NEW) is None and slot.current() is None and slot.fingerprints() == []
    version, built = slot.commit(NEW, INPUTS, write_new)
    assert built
    assert version.path == slot.path / NEW == slot.store.root / "demo/clean_corpus/books%2F%C3%A9" / NEW
    manifest = version.manifest
    assert (manifest.recipe, manifest.stage, manifest.partition) == ("demo", "clean_corpus", "books/é")
    assert (manifest.fingerprint, manifest.inputs) == (NEW, INPUTS)
    assert manifest.counts == Counts(rows_in=10, rows_out=7, rejected={"not_utf8": 1}, dropped={"too_short": 2})
    assert slot.version(NEW) == slot.current() == version
    assert slot.commit(NEW, INPUTS, forbidden) == (version, False)
    assert slot.fingerprints() == [NEW]
    assert shown(slot) == committed(version)
    assert staging_leftovers(slot.store.root) == []


def test_a_store_makes_nothing_before_the_first_commit(slot: Slot) -> None:
    assert slot.version(NEW) is None and slot.current() is None and list(slot.store.slots()) == []
    assert verify(slot.store) == []
    assert not slot.store.root.exists()


def test_doing_it_again_touches_nothing(slot: Slot) -> None:
    slot.commit(OLD, INPUTS, write_old)
    slot.commit(NEW, INPUTS, write_new)
    before = tree(slot.store.root)
    slot.commit(NEW, INPUTS, forbidden)
    version = slot.version(NEW)
    assert version is not None
    slot.point(version)
    assert tree(slot.store.root) == before


def test_equal_results_have_equal_manifests_wherever_they_are_built(tmp_path: Path) -> None:
    texts = set()
    for name in ("one", "other"):
        version, _ = slot_of(tmp_path / name).commit(NEW, INPUTS, write_new)
        texts.add((version.path / "manifest.json").read_bytes())
    assert len(texts) == 1


@pytest.mark.usefixtures("any_swap")
def test_current_follows_commits_and_points_back(slot: Slot) -> None:
    old, _ = slot.commit(OLD, INPUTS, write_old)
    new, _ = slot.commit(NEW, INPUTS, write_new)
    assert slot.current() == new and shown(slot) == committed(new)
    slot.point(old)
    assert slot.current() == old and shown(slot) == committed(old)
    assert slot.commit(NEW, INPUTS, forbidden) == (new, False)
    assert slot.current() == new and shown(slot) == committed(new)
    assert current.leftovers(slot.path) == []


def test_current_is_made_of_links(slot: Slot) -> None:
    version, _ = slot.commit(NEW, INPUTS, write_new)
    folder = slot.path / "current"
    assert folder.is_dir() and not folder.is_symlink()
    for name in committed(version):
        assert (folder / name).samefile(version.path / name)


@pytest.mark.parametrize("number", sorted(files.NO_LINKS_HERE))
def test_current_is_made_of_copies_where_there_are_no_links(
    slot: Slot, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def link(source: Path, target: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", link)
    version, _ = slot.commit(NEW, INPUTS, write_new)
    assert shown(slot) == committed(version)
    assert not (slot.path / "current/tokens.bin").samefile(version.path / "tokens.bin")


def damage_current(folder: Path, damage: str) -> None:
    gone = {"deleted": "*", "emptied": "*", "file gone": "tokens.bin", "manifest gone": "manifest.json"}
    if damage in ("deleted", "file", "link", "dead link"):
        shutil.rmtree(folder)
    for path in folder.glob(gone.get(damage, "nothing")):
        path.unlink()
    if damage == "stranger":
        (folder / "stranger").write_text("x")
    elif damage == "file":
        folder.write_text("x")
    elif damage.endswith("link"):
        folder.symlink_to(folder.parent / NEW if damage == "link" else "nowhere")


@pytest.mark.usefixtures("any_swap")
@pytest.mark.parametrize(
    "damage", ["deleted", "emptied", "file gone", "manifest gone", "stranger", "file", "link", "dead link"]
)
def test_whatever_happens_to_current_the_next_commit_mends(slot: Slot, damage: str) -> None:
    version, _ = slot.commit(NEW, INPUTS, write_new)
    damage_current(slot.path / "current", damage)
    assert slot.version(NEW) == version
    assert slot.commit(NEW, INPUTS, forbidden) == (version, False)
    assert not (slot.path / "current").is_symlink()
    assert shown(slot) == committed(version)
    assert slot.current() == version


def test_the_next_commit_clears_away_an_interrupted_swap(slot: Slot) -> None:
    old, _ = slot.commit(OLD, INPUTS, write_old)
    new, _ = slot.commit(NEW, INPUTS, write_new)
    shutil.copytree(old.path, slot.path / "current.new-1")
    (slot.path / "current.old-1").mkdir()
    (slot.path / ".history.1.part").write_text("half")
    assert slot.commit(NEW, INPUTS, forbidden) == (new, False)
    assert {path.name for path in slot.path.iterdir()} == {OLD, NEW, "current", "history"}
    (slot.path / "current").rename(slot.path / "current.old-1")  # killed between two renames
    (slot.path / "current.new-1").mkdir()
    assert slot.current() == new
    assert {path.name for path in slot.path.iterdir()} == {OLD, NEW, "current", "history"}


def test_links_of_dvc_in_current_are_left_alone(slot: Slot, tmp_path: Path) -> None:
    """After `dvc repro` the files of `current/` are read-only links to DVC's own cache."""
    version, _ = slot.commit(NEW, INPUTS, write_new)
    for number, path in enumerate(sorted((slot.path / "current").iterdir())):
        cached = tmp_path / str(number)
        path.rename(cached)
        cached.write_bytes(cached.read_bytes())
        os.link(cached, path)
    before = tree(slot.path)
    slot.commit(NEW, INPUTS, forbidden)
    assert slot.current() == version
    assert tree(slot.path) == before


def strip_to_current(slot: Slot) -> None:
    """As after `git clone` and `dvc pull`."""
    for path in slot.store.root.glob(".*"):
        shutil.rmtree(path)
    for path in slot.path.iterdir():
        if path.name != "current":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    forget_verified()


def test_a_version_that_dvc_has_restored_is_taken_over(slot: Slot) -> None:
    first, _ = slot.commit(NEW, INPUTS, write_new)
    files_before = committed(first)
    strip_to_current(slot)
    assert slot.version(OLD) is None
    assert slot.fingerprints() == []
    version = slot.version(NEW)
    assert version is not None
    assert version.path == slot.path / NEW
    assert committed(version) == files_before
    assert version.digest == first.digest
    assert version.cost is None
    assert slot.commit(NEW, INPUTS, forbidden) == (version, False)
    assert slot.current() == version
    assert verify(slot.store) == []
    assert staging_leftovers(slot.store.root) == []


def test_current_alone_is_enough_for_current(slot: Slot) -> None:
    slot.commit(NEW, INPUTS, write_new)
    strip_to_current(slot)
    version = slot.current()
    assert version is not None and version.path == slot.path / NEW


def test_symbolic_links_to_a_cache_are_copied(slot: Slot, tmp_path: Path) -> None:
    slot.commit(NEW, INPUTS, write_new)
    strip_to_current(slot)
    for path in (slot.path / "current").iterdir():
        cached = tmp_path / path.name
        path.rename(cached)
        path.symlink_to(cached)
    version = slot.version(NEW)
    assert version is not None
    assert all(not path.is_symlink() for path in version.path.iterdir())


@pytest.mark.parametrize("name", ["tokens.bin", "statistics.json", "history.jsonl", "manifest.json"])
def test_what_dvc_has_restored_with_a_flipped_bit_is_refused(slot: Slot, name: str) -> None:
    slot.commit(NEW, INPUTS, write_new)
    strip_to_current(slot)
    path = slot.path / "current" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError) as caught:
        slot.version(NEW)
    assert caught.value.where == str(path)
    assert slot.fingerprints() == [] and staging_leftovers(slot.store.root) == []


def test_current_of_another_slot_is_refused(slot: Slot) -> None:
    slot.commit(NEW, INPUTS, write_new)
    other = slot.store.slot("demo", "clean_corpus", "other")
    other.path.mkdir()
    shutil.copytree(slot.path / "current", other.path / "current")
    with pytest.raises(IntegrityError, match="belongs to demo/clean_corpus/books/é"):
        other.version(NEW)
    shutil.copytree(slot.path / NEW, other.path / NEW)
    with pytest.raises(IntegrityError, match="belongs to demo/clean_corpus/books/é"):
        other.version(NEW)


def test_a_failing_stage_leaves_nothing(slot: Slot) -> None:
    def fails(output: Output) -> Counts:
        output.text("a.txt", "half done")
        raise KeyError("a bug")

    def loses_rows(output: Output) -> Counts:
        output.text("a.txt", "done")
        return Counts(rows_in=3, rows_out=2)

    old, _ = slot.commit(OLD, INPUTS, write_old)
    with pytest.raises(KeyError, match="a bug"):
        slot.commit(NEW, INPUTS, fails)
    with pytest.raises(IntegrityError, match=r"demo/clean_corpus/.*rows do not add up"):
        slot.commit(NEW, INPUTS, loses_rows)
    assert slot.version(NEW) is None and slot.fingerprints() == [OLD]
    assert slot.current() == old
    assert staging_leftovers(slot.store.root) == []


def test_who_is_second_by_a_hair_checks_the_winner_and_drops_its_own(
    slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose locks do not reach the other's (some network file systems) still cannot overwrite."""

    def overtaken(output: Output) -> Counts:
        with monkeypatch.context() as patch:
            patch.setattr("ops.storage.lock.FileLock.acquire", lambda self, **kwargs: None)
            patch.setattr("ops.storage.lock.FileLock.release", lambda self: None)
            slot.commit(NEW, INPUTS, write_new)
        return write_new(output)

    version, built = slot.commit(NEW, INPUTS, overtaken)
    assert not built
    version.check()
    assert staging_leftovers(slot.store.root) == []
    assert verify(slot.store) == []


def test_a_broken_version_is_an_error_and_not_built_over(slot: Slot) -> None:
    version, _ = slot.commit(NEW, INPUTS, write_new)
    (version.path / "tokens.bin").unlink()
    with pytest.raises(IntegrityError, match=r"tokens\.bin: file is missing .*run again"):
        slot.commit(NEW, INPUTS, forbidden)
    (version.path / "manifest.json").unlink()
    with pytest.raises(IntegrityError, match=r"manifest\.json: file is missing"):
        slot.version(NEW)


def test_only_own_versions_can_be_pointed_at(slot: Slot) -> None:
    version, _ = slot.store.slot("demo", "raw_corpus").commit(NEW, INPUTS, write_new)
    with pytest.raises(ConfigError, match="is no version of"):
        slot.point(version)


@pytest.mark.parametrize(
    ("recipe", "stage", "partition"),
    [("..", "s", "p"), ("r", "../s", "p"), ("R", "s", "p"), ("r", ".staging", "p"), ("r", "s", "p" * 201)],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, recipe: str, stage: str, partition: str) -> None:
    with pytest.raises(ConfigError):
        Store(tmp_path).slot(recipe, stage, partition)
    with pytest.raises(ConfigError):
        Store(tmp_path).slot("r", "s").commit("../x", {}, forbidden)


def test_slots_are_listed_by_their_keys(tmp_path: Path) -> None:
    store = Store(tmp_path)
    keys = ["", "..", "a/b", "all", "zürich"]
    for key in keys:
        store.slot("demo", "raw_corpus", key).commit(NEW, INPUTS, write_old)
    store.slot("banking77", "model").commit(NEW, INPUTS, write_old)
    (tmp_path / "demo/raw_corpus/not a slug").mkdir()
    (tmp_path / "demo/raw_corpus/.gitignore").write_text("/current")
    (tmp_path / "Stray").mkdir()
    found = [(slot.recipe, slot.stage, slot.partition) for slot in store.slots()]
    assert found[0] == ("banking77", "model", "all")
    assert sorted(found[1:]) == [("demo", "raw_corpus", key) for key in keys]


def test_work_folders_stay(slot: Slot) -> None:
    folder = slot.work(NEW)
    (folder / "checkpoint").write_text("x")
    assert slot.work(NEW) == folder
    slot.commit(NEW, INPUTS, write_new)
    assert (folder / "checkpoint").exists()
    assert slot.store.root in folder.parents and slot.path not in folder.parents


def test_relative_roots_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    version, _ = slot_of(Path("store")).commit(NEW, INPUTS, write_new)
    assert version.path.is_absolute() and version.path.is_relative_to(tmp_path)


def test_a_root_that_is_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("x")
    with pytest.raises(StorageError) as caught:
        slot_of(tmp_path / "store").commit(NEW, INPUTS, write_new)
    assert str(tmp_path / "store") in caught.value.where
