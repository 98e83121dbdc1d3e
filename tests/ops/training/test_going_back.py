"""A loss that is not finite, evaluations that bring nothing more, and gradients that are cut off."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ops.tasks.text_classification import TextClassification
from ops.training.champion import Champion
from ops.training.config import TrainingConfig
from ops.training.distributed import Group
from ops.training.evaluate import Verdict
from ops.training.loader import Batch
from ops.training.parallel.base import Strategy
from ops.training.update import Gradients, Update
from tests.ops.training.runs import hashes, log, records, text_run, work, work_together, write_cache

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


@pytest.mark.usefixtures("bad_batch")
def test_a_run_that_cannot_go_back_keeps_its_lines(tmp_path: Path) -> None:
    run = text_run(tmp_path, {**BAD, "checkpoint_every": 100})
    assert work(run) == 4
    assert [line["step"] for line in records(run) if "loss" in line] == [*range(1, 8)]


def spoil(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The update of the sixth batch leaves weights so large that the next losses are no numbers, in every process.

    Args:
        monkeypatch: undoes it after the test.
        folder: where a process writes down which batch that is, for those that take its place later.
    """
    gradients, step = Update.gradients, Update.step
    batches: list[Any] = []

    def looked(self: Update, batch: Batch, stop: bool, micro_batch: int | None = None) -> Gradients:
        batches.append(batch.labels.tolist())
        own = folder / f"{self._strategy.group.rank}.json"
        if len(batches) == 6 and not own.exists():
            own.write_text(json.dumps(batches[-1]))
        return gradients(self, batch, stop, micro_batch)

    def stepped(self: Update, number: int, overflow: bool = False) -> float:
        found = step(self, number, overflow)
        own = folder / f"{self._strategy.group.rank}.json"
        if own.exists() and batches[-1] == json.loads(own.read_text()):
            for weight in self._model.parameters():
                self._strategy.piece(weight.data).fill_(1e30)
            self._strategy.stepped(self._model, number + 1)  # whoever is told of new weights is told of these
        return found

    monkeypatch.setattr(Update, "gradients", looked)
    monkeypatch.setattr(Update, "step", stepped)


def left_out(run: Path) -> list[int]:
    return [line["step"] for line in records(run) if "left_out" in line]


SPOILT = [("ddp", 1), ("zero1", 2), ("parameter_server", 3)]
SLOW = [("fsdp", 2), ("pipeline", 2), ("local_sgd", 2)]


@pytest.mark.parametrize(
    ("strategy", "world"), [*SPOILT, *(pytest.param(*each, marks=pytest.mark.slow) for each in SLOW)]
)
def test_from_a_checkpoint_that_is_spoilt_it_goes_back_to_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str, world: int
) -> None:
    """The sixth update spoils what the checkpoint of step 6 keeps: no batch after it helps, leaving it out does."""
    spoil(monkeypatch, tmp_path)
    model = {"kind": "transformer_encoder", "dim": 8, "depth": 2, "heads": 2}
    settings = {**BAD, "steps": 14, "evaluate_every": 14, "strategy": strategy}
    run = text_run(tmp_path, settings, world_size=world, model=model)
    assert ([work(run)] if world == 1 else work_together(run, world)) == [0] * world
    told = log(run)
    assert "the loss is not finite at step 7: back to step 6, that batch is left out" in told
    assert "step-00000006 cannot be used (training diverged after it again)" in told
    assert "the loss is not finite at step 8: back to step 4, all batches in between are left out" in told
    assert left_out(run) == [5, 6, 7, 8]
    assert [line["step"] for line in records(run) if "loss" in line] == [1, 2, 3, 4, *range(9, 15)]
    # Not before it is clear that it helped is there another one to go back to.
    assert sorted(path.name for path in (run.parent / "checkpoints").iterdir()) == ["step-00000012", "step-00000014"]


def test_killed_on_the_way_back_it_comes_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(monkeypatch, tmp_path)
    settings = {**BAD, "steps": 14, "evaluate_every": 14}
    whole = text_run(tmp_path / "whole", settings)
    assert work(whole) == 0 and left_out(whole) == [5, 6, 7, 8]
    # Before it went back, before it went back once more, and when it had.
    for number in (104, 110, 130):
        killed = text_run(tmp_path / str(number), settings)
        assert work(killed, SATIETY_FAULT=f"kill@{number}") == -signal.SIGKILL
        assert number < 110 or "diverged after it again" in log(killed)
        assert work(killed) == 0 and hashes(killed) == hashes(whole)


@pytest.mark.usefixtures("bad_batch")
def test_asked_to_stop_on_the_way_back_it_writes_a_checkpoint_and_comes_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it is still open if going back has helped only who asks gets one; what may be gone back to stays."""
    whole, stopped = text_run(tmp_path / "whole", BAD), text_run(tmp_path / "stopped", BAD)
    assert work(whole) == 0
    step, made = Update.step, list[int]()

    def asked(self: Update, number: int, overflow: bool = False) -> float:
        made.append(number)
        if made.count(6) == 2 and number == 6:  # it has gone back, and hears of this in the update after the bad batch
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, number, overflow)

    monkeypatch.setattr(Update, "step", asked)
    assert work(stopped) == 128 + signal.SIGTERM
    kept = sorted(path.name for path in (stopped.parent / "checkpoints").iterdir())
    assert kept == ["step-00000004", "step-00000006", "step-00000009"]
    assert work(stopped) == 0 and hashes(stopped) == hashes(whole)


def test_from_what_spoilt_the_weights_behind_the_only_checkpoint_it_goes_back_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sixth update lies behind the checkpoint of step 4, which is made again until its batch is left out too."""
    spoil(monkeypatch, tmp_path)
    run = text_run(tmp_path, {**BAD, "checkpoint_every": 4, "evaluate_every": 12})
    assert work(run) == 0
    assert "the loss is not finite at step 7: back to step 4, that batch is left out" in log(run)
    assert "the loss is not finite at step 8: back to step 4, all batches in between are left out" in log(run)
    assert left_out(run) == [5, 6, 7, 8]
    assert [line["step"] for line in records(run) if "loss" in line] == [1, 2, 3, 4, *range(9, 13)]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rollbacks": 2}, "the loss is not finite at step 9, and training went back 2 times already"),
        ({"rollbacks": 1}, "the loss is not finite at step 8, and training went back 1 times already"),
    ],
)
def test_from_the_only_checkpoint_that_is_spoilt_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], said: str
) -> None:
    spoil(monkeypatch, tmp_path)
    run = text_run(tmp_path, {**BAD, "checkpoint_every": 6, "evaluate_every": 12, **settings})
    assert work(run) == 4
    assert said in log(run)
    # The checkpoint that did not help is not thrown away without another one in its place.
    assert (run.parent / "checkpoints" / "step-00000006").is_dir()


@pytest.mark.parametrize(
    "strategy", ["ddp", pytest.param("zero1", marks=pytest.mark.slow), "fsdp", "tensor", "pipeline"]
)
def test_weights_that_are_no_numbers_are_in_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    """The fourth update of all spoils a weight just before a checkpoint is due; the one before it is gone back to."""
    whole, done = Update.step, [0]

    def step(self: Update, number: int, overflow: bool = False) -> float:
        found, done[0] = whole(self, number, overflow), done[0] + 1
        if done[0] == 4:
            for name, weight in self._model.named_parameters():
                if self._strategy.steps(name):
                    self._strategy.piece(weight.data).fill_(float("inf"))
        return found

    monkeypatch.setattr(Update, "step", step)
    world = 1 if strategy == "ddp" else 2
    model = {"kind": "transformer_encoder", "dim": 8, "depth": 2, "heads": 2}
    settings = {**BAD, "strategy": strategy, "evaluate_every": 5}
    run = text_run(tmp_path, settings, world_size=world, model=model)
    assert ([work(run)] if world == 1 else work_together(run)) == [0] * world
    assert "the largest weight is not finite at step 4: back to step 2, that batch is left out" in log(run)
    assert [line["step"] for line in records(run) if "left_out" in line] == [4]


def test_what_is_no_number_is_never_the_best() -> None:
    class Odd(TextClassification):
        def score(self, metrics: dict[str, float]) -> float:
            return metrics["odd"]

    champion = Champion(TrainingConfig(steps=1), Odd(input="a", label="b"))
    for step, score in enumerate((float("nan"), 0.5, float("nan"), 0.4)):
        champion.judge(step, Verdict(1.0, {"odd": score}, [], 1), {})
    assert champion.found is not None and champion.found["step"] == 1 and champion.stale == 2


def test_patience_counts_evaluations_in_a_row_and_equals_go_by_the_loss() -> None:
    champion = Champion(TrainingConfig(steps=1, patience=2), TextClassification(input="a", label="b"))
    seen = [(0.5, 1.0, 0), (0.4, 0.9, 1), (0.6, 1.0, 0), (0.6, 1.1, 1), (0.6, 0.9, 0), (0.6, 0.9, 1), (0.5, 0.1, 2)]
    for step, (score, loss, stale) in enumerate(seen):
        weight = torch.tensor([float(step)])
        champion.judge(step, Verdict(loss, {"accuracy": score}, [], 1), {"w": weight})
        weight.fill_(-1.0)  # training goes on in the same memory
        assert (champion.stale, champion.given_up) == (stale, stale == 2)
    assert champion.found is not None and champion.found["step"] == 4 and champion.weights["w"].tolist() == [4.0]


def test_patience_needs_a_validation_split(tmp_path: Path) -> None:
    run = text_run(tmp_path, {"patience": 2})
    told = json.loads(run.read_text())
    told["inputs"] = [write_cache(tmp_path / "train", [([1, 2], 0, "train", 0), ([2], 1, "train", 0)], "<u2")]
    run.write_text(json.dumps(told))
    assert work(run) == 2
    assert "training.patience: the validation split has no examples" in log(run)


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
