"""One `satiety run` with MLflow's default database: what of it can be asked for there afterwards, in SQL."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from tests.chain import worlds
from tests.chain.command import satiety


@pytest.mark.slow
def test_a_training_is_linked_to_its_data_its_run_and_its_model(tmp_path: Path) -> None:
    world = worlds.make(tmp_path)
    done = satiety(world, "run", "tiny.yaml", SATIETY_TRACKING="on")
    assert done.returncode == 0, done.stderr
    (database,) = (tmp_path / "home").rglob("mlflow.db")

    def ask(query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchall()

    model = world.version("model")
    ((run_id, status),) = ask("select run_uuid, status from runs")
    assert status == "FINISHED"
    tags = dict(ask("select key, value from tags"))
    assert tags["satiety.digest"] == model.digest and tags["satiety.fingerprint"] == model.manifest.fingerprint
    assert tags["dagster/asset_key"] == "tiny/model"
    with dg.DagsterInstance.from_config(str(tmp_path / "home" / "dagster")) as instance:
        run = instance.get_run_by_id(tags["dagster/run_id"])
        assert run is not None and run.status == dg.DagsterRunStatus.SUCCESS
        (record,) = instance.fetch_materializations(dg.AssetKey(["tiny", "model"]), limit=1).records
        assert record.asset_materialization is not None
        assert str(record.asset_materialization.metadata["mlflow"].value).endswith(f"/runs/{run_id}")
    inputs = {f"token_cache[{key}]": version.digest for key, version in world.every("token_cache").items()}
    named = {name.removeprefix("tiny/"): digest for name, digest in ask("select name, digest from datasets")}
    assert named.items() >= inputs.items()
    assert set(named) == set(inputs) | {"statistics[all]", "tokenizer[all]"}
    history = [json.loads(line) for line in model.file("history.jsonl").read_text().splitlines()]
    losses = sorted((line["step"], line["valid_loss"]) for line in history if "valid_loss" in line)
    assert sorted(ask("select step, value from metrics where key = 'valid_loss'")) == losses
    assert ask("select alias, version from registered_model_aliases") == [("champion", 1)]
    assert dict(ask("select key, value from params"))["training.steps"] == "60"
