"""A loss that is not finite, evaluations that bring nothing more, and gradients that are cut off."""

from __future__ import annotations

import dataclasses
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ops.training.config import TrainingConfig
from ops.training.distributed import Group
from ops.training.loader import Batch
from ops.training.parallel.base import Strategy
from ops.training.update import Gradients, Update
from tests.ops.training.runs import hashes, log, records, text_run, work, work_together

BAD = {"steps": 12, "checkpoint_every": 2, "log_every": 1, "evaluate_every": 3}


@pytest.fixture
def bad_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss of the eighth batch of a run is no number, whenever it comes."""
    whole = Update.gradients
    batches: list[Any] = []

    def gradients(self: Update, batch: Batch, stop: bool, micro_batch: int | None = None) -> Gradients:
        key = batch.labels.tolist()
        if key not in batches:
            batches.append(key)
        found = whole(self, batch, stop, micro_batch)
        bad = len(batches) == 8 and key == batches[7]
        return dataclasses.replace(found, loss=float("nan")) if bad else found

    monkeypatch.setattr(Update, "gradients", gradients)


@pytest.mark.usefixtures("bad_batch")
def test_it_goes_back_and_leaves_the_batch_out(tmp_path: Path) -> None:
    run = text_run(tmp_path, BAD)
    assert work(run) == 0
    assert "the loss is not finite at step 8: back to step 6, that batch is left out" in log(run)
    lines = list(records(run))
    assert [line["step"] for line in lines if "left_out" in line] == [8]
    assert [line["step"] for line in lines if "loss" in line] == [*range(1, 8), *range(9, 13)]
    assert [line["step"] for line in lines if "valid_loss" in line] == [3, 6, 9, 12]


@pytest.mark.usefixtures("bad_batch")
def test_killed_in_between_the_bits_are_the_same(tmp_path: Path) -> None:
    whole, killed = text_run(tmp_path / "whole", BAD), text_run(tmp_path / "killed", BAD)
    assert work(whole) == 0
    # The list of batches that the fixture has seen is of one process: kill where all eight come again afterwards.
    assert work(killed, SATIETY_FAULT="kill@20") == -signal.SIGKILL
    assert work(killed) == 0
    assert hashes(killed)["model.safetensors"] == hashes(whole)["model.safetensors"]


@pytest.mark.usefixtures("bad_batch")
def test_two_processes_go_back_together(tmp_path: Path) -> None:
    run = text_run(tmp_path, BAD, world_size=2)
    assert work_together(run) == [0, 0]
    assert [line["step"] for line in records(run) if "left_out" in line] == [8]


@pytest.mark.usefixtures("bad_batch")
@pytest.mark.parametrize("settings", [{"rollbacks": 0}, {"checkpoint_every": 100}])
def test_where_it_may_not_or_cannot_go_back_it_fails(tmp_path: Path, settings: dict[str, Any]) -> None:
    run = text_run(tmp_path, {**BAD, **settings})
    assert work(run) == 4
    assert not (run.parent / "result").exists()


def test_without_anything_better_it_ends_early(tmp_path: Path) -> None:
    settings = {"steps": 40, "evaluate_every": 1, "patience": 3, "learning_rate": 1e-9, "optimizer": "sgd"}
    whole, killed = text_run(tmp_path / "whole", settings), text_run(tmp_path / "killed", settings)
    assert work(whole) == 0 and "ended early after step" in log(whole)
    lines = [line for line in records(whole) if "valid_loss" in line]
    quality = [(line["valid_accuracy"], -line["valid_loss"]) for line in lines]
    stale = 0
    for place in range(1, len(quality)):
        stale = 0 if quality[place] > max(quality[:place]) else stale + 1
        assert stale < 3 or place == len(quality) - 1
    assert stale == 3 and len(quality) < 40
    assert work(killed, SATIETY_FAULT="kill@40") == -signal.SIGKILL
    assert work(killed) == 0 and hashes(killed) == hashes(whole)


def test_entries_are_cut_off_before_the_length_is_looked_at() -> None:
    model, other = nn.Linear(3, 2), nn.Linear(3, 2)
    for one in (model, other):
        for number, weight in enumerate(one.parameters()):
            weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(number)) * 3
    norm = Strategy(Group()).clip(model, 0.5, 1.0)
    nn.utils.clip_grad_value_(other.parameters(), 1.0)
    assert norm == pytest.approx(float(nn.utils.clip_grad_norm_(other.parameters(), 0.5)))
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(model.parameters(), other.parameters(), strict=True))  # type: ignore[arg-type]
    largest = max(float(weight.grad.abs().max()) for weight in model.parameters() if weight.grad is not None)
    assert largest < 0.5


def test_patience_and_clipping_are_positive() -> None:
    for settings in ({"patience": 0}, {"clip_value": 0.0}, {"rollbacks": -1}):
        with pytest.raises(ValueError, match="greater than"):
            TrainingConfig(steps=1, **settings)
