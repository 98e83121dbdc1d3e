"""A real Dask scheduler with two workers and a real Ray cluster, on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.errors import BadData, ServiceDown, StorageError, Temporary
from ops.stages.chain import DATA_STAGES, stages
from resources import engine_dask, remote
from resources.child import ONE_CORE
from resources.engine import Engine, open_engine
from resources.settings import EngineSettings, Settings
from resources.workspace import Workspace
from tests.chain import worlds
from tests.resources import clusters

pytestmark = pytest.mark.slow

# What a user's process is: killed or interrupted, it leaves nothing running.
PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from resources.engine import open_engine
from resources.settings import EngineSettings
from tests.resources.clusters import linger
engine = open_engine(EngineSettings(kind={kind!r}, address={address!r}), Path({store!r}))
list(engine.map(linger, [{folder!r}] * 3))
"""


@pytest.fixture(scope="module", params=["dask", "ray"])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineSettings]:
    if request.param == "dask":
        with clusters.dask(tmp_path_factory.mktemp("dask")) as made:
            yield EngineSettings(kind="dask", address=made.address)
    else:
        with clusters.ray() as address:
            yield EngineSettings(kind="ray", address=address)


@pytest.fixture
def engine(cluster: EngineSettings, tmp_path: Path) -> Engine:
    return open_engine(cluster, tmp_path)


def test_every_item_once_on_workers_of_one_core(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SATIETY_MIRROR", "here")
    found = list(engine.map(clusters.square, range(5)))
    assert sorted(item for item, _, _ in found) == list(range(5))
    assert all(value == item * item and pid != os.getpid() for item, value, pid in found)
    assert list(engine.map(clusters.threads, [1])) == [{**ONE_CORE, "SATIETY_MIRROR": "here"}]
    assert list(engine.map(clusters.square, [])) == []


def test_the_tiny_recipe_gets_the_digests_of_one_machine(cluster: EngineSettings, tmp_path: Path) -> None:
    far, alone = worlds.make(tmp_path / "far"), worlds.make(tmp_path / "alone")
    worlds.build(alone.recipe(), alone.store, DATA_STAGES)
    recipe, folder = far.recipe(), far.path.parent
    workspace = Workspace(Settings(folder, far.store.root, folder / "home", cluster))
    compared = 0
    for stage in stages(recipe):
        if stage.name not in DATA_STAGES:
            continue
        keys = recipe.partition_keys() if stage.partitioned else None
        for built in workspace.build(recipe, stage, keys, lambda built, done, of: None):
            here = alone.version(stage.name, built.partition)
            assert built.built and built.version.digest == here.digest, (stage.name, built.partition)
            assert built.version.manifest.fingerprint == here.manifest.fingerprint
            compared += 1
    assert compared > 3 * len(recipe.partition_keys())


def test_what_is_there(cluster: EngineSettings, engine: Engine, tmp_path: Path) -> None:
    assert engine.workers == 2
    assert open_engine(cluster.model_copy(update={"workers": 1}), tmp_path).workers == 1
    assert str(cluster.address) in engine.check() and "2" in engine.check()
    assert not list((tmp_path / ".staging").iterdir())


def test_results_come_as_they_are_ready(engine: Engine) -> None:
    assert next(iter(engine.map(clusters.nap, [20.0, 0.0]))) == 0.0


def test_no_more_at_a_time_than_asked_for(cluster: EngineSettings, tmp_path: Path) -> None:
    one = open_engine(cluster.model_copy(update={"workers": 1}), tmp_path)
    begun = time.monotonic()
    assert list(one.map(clusters.nap, [0.6, 0.5, 0.4])) == [0.6, 0.5, 0.4]
    assert time.monotonic() - begun > 1.5


def test_errors_cross_the_border_whole(engine: Engine) -> None:
    with pytest.raises(BadData) as caught:
        list(engine.map(clusters.wrong, range(4)))
    assert (caught.value.message, caught.value.where, caught.value.hint) == ("no header", "file.csv:1", "add one")
    with pytest.raises(ZeroDivisionError, match="of course"):
        list(engine.map(clusters.unknown, range(2)))


def test_a_killed_process_is_temporary_and_the_next_map_works(engine: Engine) -> None:
    with pytest.raises(Temporary, match="memory"):
        list(engine.map(clusters.die, range(3)))
    assert len(list(engine.map(clusters.square, range(3)))) == 3


def test_a_store_that_workers_do_not_see(
    cluster: EngineSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A machine whose folder of this name is another one writes its answer where nobody sees it.
    monkeypatch.setattr(remote, "PATIENCE_S", 0.5)
    monkeypatch.setattr(remote, "check_worker", clusters.answer_elsewhere)
    with pytest.raises(StorageError, match="writes another store"):
        list(open_engine(cluster, tmp_path).map(clusters.square, [1]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_work_ends_with_the_one_who_asked(cluster: EngineSettings, tmp_path: Path, number: int) -> None:
    folder = tmp_path / "begun"
    folder.mkdir()
    values = {"root": str(clusters.ROOT), "store": str(tmp_path / "store"), "folder": str(folder)}
    program = PROGRAM.format(**values, kind=cluster.kind, address=cluster.address)
    parent = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    clusters.wait_for(lambda: len(list(folder.iterdir())) == 2)
    pids = [int(path.name.split("-")[1]) for path in folder.iterdir()]
    assert all(map(clusters.alive, pids))
    parent.send_signal(number)
    _, said = parent.communicate(timeout=60)
    clusters.wait_for(lambda: not any(map(clusters.alive, pids)), 30)
    assert (number == signal.SIGKILL) or "KeyboardInterrupt" in said
    time.sleep(1)
    assert len(list(folder.iterdir())) == 2, "what had not begun was dropped"
    again = open_engine(cluster, tmp_path)
    assert len(list(again.map(clusters.square, range(2)))) == 2


def test_a_killed_worker_of_ray_is_temporary(cluster: EngineSettings, engine: Engine) -> None:
    if cluster.kind != "ray":
        pytest.skip("a scheduler of Dask's own is needed: below")
    with pytest.raises(Temporary, match="Ray worker was killed"):
        list(engine.map(clusters.kill_parent, [1]))
    assert len(list(engine.map(clusters.square, range(2)))) == 2


def test_killed_workers_of_dask_are_temporary_and_so_is_a_killed_scheduler(tmp_path: Path) -> None:
    with clusters.dask(tmp_path, workers=0) as made:
        engine = open_engine(EngineSettings(kind="dask", address=made.address), tmp_path)
        for _ in range(4):  # Dask gives up when the fourth worker dies of the same work
            made.worker()
        with pytest.raises(Temporary, match="killed"):
            list(engine.map(clusters.kill_parent, [1]))
        made.worker()
        results = iter(engine.map(clusters.nap, [0.0, 60.0]))
        assert next(results) == 0.0
        made.scheduler.end()
        with pytest.raises(Temporary, match="Dask"):
            next(results)


def test_nobody_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_dask, "CONNECT_S", 1.0)
    monkeypatch.setattr(engine_dask, "WORKER_S", 1.0)
    engine = open_engine(EngineSettings(kind="dask", address="tcp://127.0.0.1:9"), tmp_path)
    with pytest.raises(ServiceDown, match="no Dask scheduler answers") as caught:
        engine.check()
    assert "dask scheduler" in caught.value.hint
    with clusters.dask(tmp_path, workers=0) as made, pytest.raises(ServiceDown, match="has no workers"):
        open_engine(EngineSettings(kind="dask", address=made.address), tmp_path).check()
