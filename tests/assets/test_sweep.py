"""The asset of a sweep, through Dagster and the real launcher."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import dagster as dg
import pytest

from assets.collect import assets
from ops.evaluation.sweep import cut_said
from ops.storage import Store
from ops.torchrun import POOL
from pipelines.execute import execute
from pipelines.progress import Lines, describe_record
from pipelines.recipe import load_file
from resources.progress import Event
from resources.settings import EngineSettings, TrackingSettings, load_settings
from tests.tiny import tiny_recipe

RATE = "training.learning_rate"
SWEEP = {"over": {RATE: [0.00001, 0.01]}, "search": "grid"}
AT_ONCE = {**SWEEP, "at_once": 2}


def test_it_waits_for_its_turn_and_the_model_waits_for_it(tmp_path: Path) -> None:
    found = {asset.key.path[-1]: asset for asset in assets(load_file(tiny_recipe(tmp_path, sweep=SWEEP)))}
    sweep = found["sweep"]
    assert isinstance(sweep.node_def, dg.OpDefinition) and sweep.node_def.pool == POOL
    assert {name for name, asset in found.items() if sweep.key in asset.dependency_keys} == {"model", "report"}


def test_trials_are_told_in_a_line() -> None:
    row = {"trial": 3, "rung": 0, "steps": 1200, "values": {RATE: 0.01}}
    assert describe_record(row) == "trial 3 (training.learning_rate 0.01): 1,200 steps"
    drawn = {**row, "values": {RATE: 0.00375619614449984, "model.depth": 2}}
    assert describe_record(drawn) == "trial 3 (training.learning_rate 0.003756, model.depth 2): 1,200 steps"
    ended = {**row, "state": "finished", "valid_loss": 0.25, "valid_accuracy": None}
    assert describe_record(ended) == "trial 3 (training.learning_rate 0.01): finished, valid loss 0.25"
    cut = {"cut": cut_said({"budget_cpu_s": 0.5, "untried": 1})}
    assert describe_record(cut) == "the budget of 0.5 CPU-seconds was spent: 1 trial was not begun"
    said: list[str] = []
    lines = Lines(clock=lambda: 0.0, write=said.append)
    for event in (Event("stage", "sweep", {"partitions": 1}), Event("record", "sweep", {"record": cut})):
        lines.on_event(event)
    assert said == [f"sweep: {describe_record(cut)}"]


@pytest.mark.slow
def test_a_run_shows_its_trials_and_records_each_below_the_sweep(tmp_path: Path) -> None:
    training = {"steps": 12}
    recipe = load_file(
        tiny_recipe(tmp_path, partitions={"hash": None, "single": True}, training=training, sweep=AT_ONCE)
    )
    # Nothing listens there, so the journals are what is looked at.
    tracking = TrackingSettings(uri="http://127.0.0.1:9", interval_s=60)
    machine = dataclasses.replace(load_settings(tmp_path, {}), engine=EngineSettings(workers=1), tracking=tracking)
    events: list[Event] = []
    wanted = [asset.key.path[-1] for asset in assets(recipe)][:-2]
    assert "sweep[all]" in execute(recipe, stages=wanted, settings=machine, on_event=events.append).built
    version = Store(machine.store).slot("tiny", "sweep").current()
    assert version is not None and version.json("sweep.json")["chosen"]["values"] == {RATE: 0.01}
    told = [event.data["record"].get("state") for event in events if event.what == "record"]
    assert told == [None, None, "finished", "finished"]  # both were begun before the first had ended
    instance = dg.DagsterInstance.from_config(str(machine.dagster_home))
    (record,) = instance.fetch_materializations(dg.AssetKey(["tiny", "sweep"]), limit=1).records
    assert record.asset_materialization is not None
    shown = record.asset_materialization.metadata
    assert shown["chosen"].value == {RATE: 0.01}
    assert "finished, chosen" in str(shown["comparison"].value) and "data:image/svg" in str(shown["comparison"].value)
    assert "loss of each trial by CPU-seconds" in str(shown["comparison"].value)
    whole, *parts = sorted((machine.journals / "tiny").iterdir(), key=lambda folder: len(folder.name))
    said = [json.loads((part / "training.json").read_text()) for part in parts]
    assert {one["params"][RATE] for one in said} == {"1e-05", "0.01"}
    assert {one["parent"] for one in said} == {whole.name} == {version.manifest.fingerprint}
    points = [json.loads((part / "points.jsonl").read_text()) for part in parts]
    assert all(point["step"] == 12 and point["metrics"]["cpu_s"] > 0 for point in points)
    assert json.loads((whole / "ended.json").read_text())["status"] == "FINISHED"
