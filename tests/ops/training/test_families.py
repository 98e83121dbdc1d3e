"""Every family of models through the training processes: it learns, and stops and ranks change nothing."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.ops.training.runs import hashes, log, text_run, work

TEXTS: list[dict[str, Any]] = [
    {"kind": "text_cnn", "dim": 16, "filters": 32, "widths": [2, 3], "dropout": 0.1},
    {"kind": "recurrent_encoder", "dim": 8, "hidden": 8, "dropout": 0.1},
    {"kind": "recurrent_encoder", "dim": 8, "hidden": 8, "cell": "gru", "layers": 2, "pooling": "max"},
]


def make(folder: Path, model: dict[str, Any], training: dict[str, Any] | None = None, **settings: Any) -> Path:
    return text_run(folder, training, model=model, **settings)


@pytest.mark.parametrize("model", TEXTS, ids=lambda model: str(model["kind"]))
def test_it_learns(tmp_path: Path, model: dict[str, Any]) -> None:
    run = make(tmp_path, model, {"steps": 60, "learning_rate": 0.01, "optimizer": "muon"})
    assert work(run) == 0
    valid = json.loads((run.parent / "result" / "valid.json").read_text())
    assert valid["metrics"]["accuracy"] > 0.8  # by chance a third, or a half


@pytest.mark.parametrize("model", TEXTS, ids=lambda model: str(model["kind"]))
def test_killed_the_result_has_the_same_bytes(tmp_path: Path, model: dict[str, Any]) -> None:
    whole, killed = make(tmp_path / "whole", model), make(tmp_path / "killed", model)
    assert work(whole) == 0
    assert work(killed, SATIETY_FAULT="kill@70") == -signal.SIGKILL
    assert work(killed) == 0
    assert "going on after step" in log(killed)
    assert hashes(killed) == hashes(whole)
