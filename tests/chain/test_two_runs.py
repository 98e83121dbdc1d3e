"""Two `satiety run` of one recipe at the same time: each result is built once, by one of them, and both end well."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from ops.storage import gc, verify
from tests.chain import worlds
from tests.chain.command import overrides, start
from tests.ops.storage.helpers import staging_leftovers

SHORT = "training.steps=20"


@pytest.mark.slow
def test_two_runs_at_once_build_everything_once(tmp_path: Path) -> None:
    world = worlds.make(tmp_path / "world")
    words = ("run", "tiny.yaml", *overrides(SHORT), "--json")
    processes = [start(world, *words) for _ in range(2)]
    ended = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], [err[-2000:] for _, err in ended]
    results = [json.loads(out) for out, _ in ended]
    built = Counter(place for result in results for place in result["built"])
    assert set(built.values()) == {1}, "no partition is built twice"
    places = {f"{slot.stage}[{slot.partition}]" for slot in world.store.slots()}
    assert built.keys() == places and len(places) == 20
    assert [len(slot.fingerprints()) for slot in world.store.slots()] == [1] * len(places)
    assert verify(world.store) == []

    alone = worlds.make(tmp_path / "alone")
    worlds.build(alone.recipe(SHORT), alone.store)
    assert worlds.manifests(world.store, but=["report"]) == worlds.manifests(alone.store, but=["report"])
    gc(world.store, dry_run=False)
    assert staging_leftovers(world.store.root) == [] and verify(world.store) == []
