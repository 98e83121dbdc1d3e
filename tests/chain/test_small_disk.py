"""A disk that is too small: exit code 74 with one line, nothing half-written, and with more space the same command."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.stages.chain import DATA_STAGES
from ops.storage import Store, verify
from tests.chain import worlds
from tests.chain.command import overrides, satiety
from tests.chain.worlds import World
from tests.ops.storage.helpers import staging_leftovers

SETTING = "training.steps=20"
WORDS = ("run", "tiny.yaml", *overrides(SETTING))


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Path]:
    """A folder to mount a small disk on."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    if not mounted(folder, "size=64k"):
        pytest.skip("this machine does not allow mounting")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mounted(folder: Path, options: str) -> bool:
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(words, check=False, capture_output=True).returncode == 0


def run_out(world: World) -> str:
    """The same command fails with 74; what it said, and the stage that it was at."""
    done = satiety(world, *WORDS)
    assert done.returncode == 74, done.stderr[-3000:]
    (error,) = [line for line in done.stderr.splitlines() if "error" in line.lower()]
    assert error.startswith("error: ") and "no space left on the disk" in error
    assert "Traceback" not in done.stderr and "resume: satiety run tiny.yaml" in done.stderr
    assert verify(world.store) == []
    assert all(slot.current() is not None for slot in world.store.slots() if slot.fingerprints())
    assert staging_leftovers(world.store.root) == []
    assert not world.store.slot("tiny", "model").fingerprints()
    return error


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_more_space_is_all_it_takes(mount: Path, tmp_path: Path) -> None:
    made = worlds.make(tmp_path / "world")
    world, recipe = World(made.path, Store(mount / "store")), made.recipe(SETTING)
    assert mounted(mount, "remount,size=300k")
    assert "bytes, " in run_out(world)
    assert world.store.slot("tiny", "raw_corpus", "0").current() is not None
    # The data fit, the training does not.
    assert mounted(mount, "remount,size=16m")
    worlds.build(recipe, world.store, DATA_STAGES)
    system = os.statvfs(mount)
    used = (system.f_blocks - system.f_bfree) * system.f_frsize
    assert mounted(mount, f"remount,size={used + 60_000}")
    assert "/.work/tiny/model/" in run_out(world)
    assert mounted(mount, "remount,size=16m")
    done = satiety(world, *WORDS)
    assert done.returncode == 0, done.stderr[-3000:]
    assert verify(world.store) == []

    undisturbed = worlds.make(tmp_path / "undisturbed")
    worlds.build(undisturbed.recipe(SETTING), undisturbed.store)
    assert worlds.manifests(world.store, but=["report"]) == worlds.manifests(undisturbed.store, but=["report"])


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 60_000, 400_000])
def test_dagsters_databases_are_on_the_full_disk_too(mount: Path, tmp_path: Path, room: int) -> None:
    """Store and home side by side, as by default: SQLite's own words for it are nobody's concern."""
    made = worlds.make(tmp_path / "world")
    world, home = World(made.path, Store(mount / "store")), {"SATIETY_HOME": str(mount / "home")}
    assert mounted(mount, "remount,size=40m")
    assert satiety(world, "run", "tiny.yaml", "--stage", "raw_corpus", **home).returncode == 0
    system = os.statvfs(mount)
    with (mount / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, system.f_bavail * system.f_frsize - room)
    done = satiety(world, *WORDS, **home)
    assert done.returncode == 74, done.stderr[-3000:]
    # Dagster may say in its own words that it could not log something; the last word is ours.
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "no space left" in errors[0], errors
    assert "Traceback" not in done.stderr and "resume: satiety run tiny.yaml" in done.stderr
    (mount / "filler").unlink()
    assert satiety(world, "run", "tiny.yaml", "--stage", "signatures", **home).returncode == 0
    assert verify(world.store) == []
