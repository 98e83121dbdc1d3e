"""The workspace: partitions built by the engine, in this process or in others, and told of as they are done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ops.errors import SatietyError
from ops.stages.chain import stage_named
from ops.stages.raw_corpus import looking_once
from ops.stages.run import Built
from ops.stages.spec import ALL
from resources.engine import LocalEngine
from resources.progress import Event, listening, publish
from resources.settings import EngineSettings, Settings
from resources.workspace import Workspace
from tests.chain import worlds
from tests.chain.worlds import World

KEYS = ["2", "0", "1"]


def workspace(world: World, workers: int = 1) -> Workspace:
    folder = world.path.parent
    return Workspace(Settings(folder, world.store.root, folder / "home", EngineSettings(workers=workers)))


@pytest.mark.parametrize("workers", [1, 2])
def test_partitions_come_in_the_order_asked_for_and_are_told_as_they_are_done(tmp_path: Path, workers: int) -> None:
    world, events, told = worlds.make(tmp_path), list[Event](), list[tuple[str, int, int]]()

    def on_built(built: Built, done: int, of: int) -> None:
        told.append((built.partition, done, of))

    stage = stage_named(world.recipe(), "raw_corpus")
    with listening(events.append):
        built = workspace(world, workers).build(world.recipe(), stage, KEYS, on_built)
    assert [(b.partition, b.built) for b in built] == [(key, True) for key in KEYS]
    assert sorted(key for key, _, _ in told) == sorted(KEYS)
    assert [(done, of) for _, done, of in told] == [(1, 3), (2, 3), (3, 3)]
    assert [event.what for event in events] == ["stage", "partition", "partition", "partition", "done"]
    assert events[0].data == {"partitions": 3}
    rows = {event.data["key"]: event.data["rows"] for event in events[1:4]}
    assert rows == {key: version.parquet("data.parquet").height for key, version in world.every("raw_corpus").items()}
    again = workspace(world).build(world.recipe(), stage, KEYS, on_built)
    assert [b.built for b in again] == [False] * 3
    assert [b.version.digest for b in again] == [b.version.digest for b in built]


def test_what_is_there_needs_no_other_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is to be built goes to the engine; a source is not hashed here for it, unless it has been already."""
    world, sent = worlds.make(tmp_path), list[list[str]]()

    class Counting(LocalEngine):
        def map(self, function: Any, items: Any) -> Any:
            sent.append([item[2] for item in items])
            return super().map(function, items)

    monkeypatch.setattr("resources.workspace.open_engine", lambda settings, root: Counting(1))
    recipe = world.recipe()

    def build(name: str, keys: list[str]) -> list[bool]:
        stage = stage_named(recipe, name)
        return [built.built for built in workspace(world).build(recipe, stage, keys, lambda b, done, of: None)]

    assert build("raw_corpus", ["0", "1", "2"]) == [True] * 3
    assert build("signatures", ["0", "2"]) == [True] * 2
    assert build("signatures", ["0", "1", "2"]) == [False, True, False]
    assert build("raw_corpus", ["0"]) == [False]
    with looking_once():
        assert build("raw_corpus", ["1", "2"]) == [False] * 2
    assert sent == [["0", "1", "2"], ["0", "2"], ["1"], ["0"], []]


def test_a_fold_has_one_partition(tmp_path: Path) -> None:
    world = worlds.make(tmp_path)
    recipe = world.recipe()
    worlds.build(recipe, world.store, ("raw_corpus", "signatures"))
    (built,) = workspace(world).build(recipe, stage_named(recipe, "duplicates"), None, lambda b, done, of: None)
    assert built.partition == ALL and built.version.manifest.counts is None


def test_an_error_keeps_its_place_and_advice(tmp_path: Path) -> None:
    world = worlds.make(tmp_path)
    recipe = world.recipe()
    with pytest.raises(SatietyError) as caught:
        workspace(world, 2).build(recipe, stage_named(recipe, "signatures"), ["0", "1"], lambda b, done, of: None)
    assert caught.value.hint == "build raw_corpus first" and caught.value.where == "tiny"


def test_settings_name_the_outside(tmp_path: Path) -> None:
    world = worlds.make(tmp_path)
    found = workspace(world)
    assert found.store().root == world.store.root and world.store.root.is_dir()
    assert found.tracker().settings is found.settings


def test_listeners_hear_as_long_as_they_listen() -> None:
    first, second = list[str](), list[str]()
    with listening(lambda event: first.append(event.stage)):
        publish("stage", "a")
        with listening(lambda event: second.append(event.stage)), pytest.raises(ZeroDivisionError):
            publish("stage", "b")
            raise ZeroDivisionError
        publish("stage", "c")
    publish("stage", "d")
    assert first == ["a", "b", "c"] and second == ["b"]
