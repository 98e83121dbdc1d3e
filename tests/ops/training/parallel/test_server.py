"""The parameter server: without staleness one process's result, with it learning; workers that die and come back."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from ops.training.parallel.server import PLACE
from tests.ops.training.parallel.test_strategies import same, trained
from tests.ops.training.runs import finish, records, start, text_run

SERVED = {"strategy": "parameter_server"}


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process alone trains."""
    return trained(tmp_path_factory.mktemp("single"))


def test_without_staleness_it_is_one_process(tmp_path: Path, single: Path) -> None:
    same(trained(tmp_path, 3, SERVED), single)
    assert not (tmp_path / "work" / PLACE).exists()


@pytest.mark.slow
@pytest.mark.parametrize("staleness", [2, "any"])
def test_with_stale_gradients_it_learns(tmp_path: Path, staleness: Any) -> None:
    settings = {**SERVED, "parallel": {"staleness": staleness}, "steps": 90, "learning_rate": 0.01}
    run = trained(tmp_path, 3, settings)
    judged = [line["valid_accuracy"] for line in records(run) if "valid_loss" in line]
    assert max(judged) > 0.6  # by chance a third; how stale gradients are is up to the machine


@pytest.mark.slow
def test_a_worker_may_die_and_come_back(tmp_path: Path, single: Path) -> None:
    """One is killed while it works, the other goes on with its work; a third comes when it likes. Nothing changes."""
    settings = {"precision": "float64", "log_every": 1, "evaluate_every": 3, "clip_norm": 0.5, "clip_value": 0.1}
    settings |= {"averaging": {"kind": "ema", "decay": 0.5, "start": 0.3}, "steps": 160, **SERVED}
    model = {"kind": "transformer_encoder", "dim": 8, "depth": 2, "heads": 2, "dropout": 0.0}
    run = text_run(tmp_path / "run", settings, model=model, world_size=3)
    ranks = [start(run, rank, 3) for rank in range(3)]
    wait_for(lambda: (run.parent / "metrics.jsonl").exists() and sum(1 for _ in records(run)) > 20)
    os.kill(ranks[2], signal.SIGKILL)
    assert finish(ranks[2]) == -signal.SIGKILL
    seen = sum(1 for _ in records(run))
    wait_for(lambda: sum(1 for _ in records(run)) > seen + 20)
    back = start(run, 2, 3)
    assert [finish(rank) for rank in (*ranks[:2], back)] == [0, 0, 0]
    alone = text_run(tmp_path / "alone", {**settings, "strategy": "ddp"}, model=model)
    assert finish(start(alone)) == 0
    same(run, alone)


def wait_for(condition: Any) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def test_a_model_whose_running_values_would_stay_behind(tmp_path: Path) -> None:
    import torch

    from ops.errors import ConfigError
    from ops.training.parallel.server import Server

    server = Server(tmp_path, 1, 1, 0, torch.device("cpu"))
    with pytest.raises(ConfigError, match="running values"):
        server.prepare(torch.nn.BatchNorm1d(2))
