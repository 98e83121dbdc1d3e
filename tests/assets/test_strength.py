"""The asset of the searched strength, through Dagster and the real launcher."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.collect import assets
from ops.storage import Store
from ops.torchrun import POOL
from pipelines.execute import execute
from pipelines.recipe import load_file
from resources.progress import Event
from resources.settings import EngineSettings, TrackingSettings, load_settings
from tests.tiny import tiny_recipe

AUTO = {"strength": "auto", "search": {"strengths": [0.0, 1.0]}, "steps": [{"kind": "scale", "low": 0.8}]}


def settings(mode: str) -> dict[str, Any]:
    return {
        "augmentation": {"copies": 1, "mode": mode, **AUTO},
        "partitions": {"hash": None, "single": True},
        "training": {"steps": 12},
    }


@pytest.mark.parametrize(("mode", "reader"), [("offline", "shards"), ("on_the_fly", "model")])
def test_it_waits_for_its_turn_and_what_needs_it_waits_for_it(mode: str, reader: str, tmp_path: Path) -> None:
    recipe = load_file(tiny_recipe(tmp_path, modality="image", **settings(mode)))
    found = {definition.key.path[-1]: definition for definition in assets(recipe)}
    strength = found["strength"]
    assert isinstance(strength.node_def, dg.OpDefinition) and strength.node_def.pool == POOL
    readers = {name for name, asset in found.items() if strength.key in asset.dependency_keys}
    assert readers == {reader, "report"}


@pytest.mark.slow
def test_a_run_searches_shows_its_trials_and_uses_what_it_found(tmp_path: Path) -> None:
    recipe = load_file(tiny_recipe(tmp_path, modality="image", **settings("offline")))
    machine = dataclasses.replace(
        load_settings(tmp_path, {}), engine=EngineSettings(workers=1), tracking=TrackingSettings(enabled=False)
    )
    events: list[Event] = []
    wanted = [asset.key.path[-1] for asset in assets(recipe)][:-3]
    result = execute(recipe, stages=wanted, settings=machine, on_event=events.append)
    assert "strength[all]" in result.built and "shards[all]" in result.built
    version = Store(machine.store).slot("tiny", "strength").current()
    assert version is not None
    trials = version.json("strength.json")["trials"]
    assert [(trial["strength"], trial["steps"]) for trial in trials] == [(0.0, 12), (1.0, 12)]
    told = [event.data["record"]["strength"] for event in events if event.what == "record"]
    assert told == [0.0, 1.0]
    instance = dg.DagsterInstance.from_config(str(machine.dagster_home))
    (record,) = instance.fetch_materializations(dg.AssetKey(["tiny", "strength"]), limit=1).records
    assert record.asset_materialization is not None
    shown = record.asset_materialization.metadata
    assert shown["strength"].value == version.manifest.facts["chosen"]
    table = shown["trials"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [row.data["strength"] for row in table.records] == [0.0, 1.0]
    assert all(float(row.data["cpu_seconds"] or 0) > 0 for row in table.records)
