"""`satiety dates`: what it prints, put into the recipe, gives the shares."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from ops.stages.chain import stage_named
from ops.stages.run import build_stage
from ops.storage import Store
from pipelines import cli, console
from pipelines.recipe import load_file
from tests.series import HOURS, series_recipe


def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr(console, "state", console.State(json="--json" in words))
    monkeypatch.setattr(cli, "state", console.state)
    code = cli.invoke(list(words))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_dates_for_shares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = series_recipe(tmp_path)
    recipe, store = load_file(path), Store(tmp_path / "store")
    words = ("dates", str(path), "--valid", "0.2", "--test", "0.1")
    code, _, told = call(monkeypatch, capsys, *words)
    assert code == 2 and "has no corpus yet" in told and f"(satiety run {path} --stage raw_corpus)" in told
    stage = stage_named(recipe, "raw_corpus")
    for key in recipe.partition_keys():
        build_stage(stage, recipe, key, store)
    code, said, _ = call(monkeypatch, capsys, *words, "--json")
    found = json.loads(said)
    assert code == 0 and found["stage"] == "raw_corpus" and found["column"] == "time"
    split = recipe.split.model_copy(update={name: found[name] for name in ("valid_from", "test_from")})
    versions = [store.slot(recipe.name, "raw_corpus", key).current() for key in recipe.partition_keys()]
    counted: Counter[str] = Counter()
    for version in versions:
        assert version is not None
        counted.update(split.assign(version.parquet("data.parquet"))["split"].to_list())
    assert [counted[name] for name in ("train", "valid", "test")] == found["rows"]
    assert abs(counted["test"] - HOURS * 0.1) <= 1 and abs(counted["valid"] - HOURS * 0.2) <= 1
    code, said, _ = call(monkeypatch, capsys, *words)
    assert f"  valid_from: '{found['valid_from']}'\n  test_from: '{found['test_from']}'\n" in said
    assert call(monkeypatch, capsys, *words, "--column", "tyme")[2].startswith(
        "error: raw_corpus of dust has no column"
    )
    assert (
        "leave no training rows" in call(monkeypatch, capsys, "dates", str(path), "--valid", "0.5", "--test", "0.5")[2]
    )
