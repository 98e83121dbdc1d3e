"""Going back to a checkpoint where several processes share the work in ways of their own, and dying on the way."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from ops.training.checkpoint import newest
from ops.training.loop import Trainer
from ops.training.parallel.server import Server
from ops.training.parallel.server_worker import Helper, Told
from ops.training.snapshots import Snapshots
from tests.ops.training.parallel.test_server import wait_for
from tests.ops.training.parallel.test_strategies import same
from tests.ops.training.runs import finish, free_port, hashes, log, records, start, text_run, work, work_together
from tests.ops.training.test_going_back import BAD, bad_batch, left_out, spoil

__all__ = ["bad_batch"]

SERVED = {"strategy": "parameter_server"}
PLAIN = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 0.1}
TEXT = {"kind": "transformer_encoder", "dim": 8, "depth": 2, "heads": 2, "dropout": 0.0}
EXACT = {"precision": "float64", **BAD}
LONG = {**BAD, "steps": 14, "evaluate_every": 14}


def killed_together(run: Path, world: int, victim: int, place: str) -> None:
    """Run several workers of which one dies at a place; the others are ended then, as torchrun ends them."""
    port = free_port()
    children = [start(run, rank, world, port, **({"DIE": place} if rank == victim else {})) for rank in range(world)]
    assert finish(children.pop(victim)) == -signal.SIGKILL, place
    for child in children:
        os.kill(child, signal.SIGKILL)
        finish(child)


@pytest.fixture
def mortal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process is killed where its environment says (`DIE`), on its way back to a checkpoint for the n-th time."""
    find, back = Snapshots.newest, Trainer._roll_back
    looked = [-1]  # the first look is at the start

    def die(place: str, number: int) -> None:
        if os.environ.get("DIE") == f"{place} {number}":
            os.kill(os.getpid(), signal.SIGKILL)

    def dying_find(self: Snapshots, before: int | None = None) -> Any:
        looked[0] += 1
        die("looking", looked[0])
        found = find(self, before)
        die("found", looked[0])
        return found

    def dying_back(self: Trainer, *told: Any) -> None:
        back(self, *told)
        die("gone", self._progress.setbacks)

    monkeypatch.setattr(Snapshots, "newest", dying_find)
    monkeypatch.setattr(Trainer, "_roll_back", dying_back)


@pytest.fixture
def bad_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What workers of a server find of the batch of the eighth step is no number; nobody runs far ahead of it."""
    compute, found = Helper.compute, tmp_path / "found"

    def computed(self: Helper, unit: tuple[int, int, int]) -> Told:
        told = compute(self, unit)
        if unit[0] > 9:
            wait_for(found.exists)
        if unit[0] == 7:
            found.touch()
            told["loss"] = float("nan")
            for weight in self.model.parameters():
                weight.grad = torch.full_like(weight, float("nan"))
        return told

    monkeypatch.setattr(Helper, "compute", computed)


@pytest.mark.usefixtures("bad_step", "bad_batch")
def test_a_server_leaves_out_what_one_process_does(tmp_path: Path) -> None:
    """The workers are not asked for the batch again, and each later step has its own batch."""
    run = text_run(tmp_path / "served", {**EXACT, **SERVED}, world_size=3, model=TEXT)
    assert work_together(run, 3) == [0, 0, 0]
    assert "the loss is not finite at step 8: back to step 6, that batch is left out" in log(run)
    assert left_out(run) == [8]
    alone = text_run(tmp_path / "alone", EXACT, model=TEXT)
    assert work(alone) == 0 and left_out(alone) == [8]
    same(run, alone)


@pytest.mark.slow
@pytest.mark.usefixtures("bad_step")
@pytest.mark.parametrize("staleness", [2, "any"])
def test_workers_that_run_ahead_leave_the_batch_out(tmp_path: Path, staleness: Any) -> None:
    """Without a bound what was bad need not be the batch of the step that was to be made with it.

    It may come so late that the checkpoint lies behind its step: then there is no step without an update.
    """
    run = text_run(tmp_path, {**LONG, **SERVED, "steps": 20, "parallel": {"staleness": staleness}}, world_size=3)
    assert work_together(run, 3) == [0, 0, 0]
    found = newest(run.parent / "checkpoints", pytest.fail)
    assert found is not None and found.state["left_out"] == [7]
    assert log(run).count("is not finite") == 1 and set(left_out(run)) <= {8}


@pytest.mark.slow
@pytest.mark.usefixtures("bad_step")
def test_hogwild_leaves_the_batch_out(tmp_path: Path) -> None:
    """One worker has spoilt the weights before it says so; none that steps meanwhile may spoil them again."""
    run = text_run(tmp_path, {**LONG, **PLAIN, "strategy": "hogwild"}, world_size=3)
    assert work_together(run, 3) == [0, 0, 0]
    assert 8 in left_out(run)
    assert sorted({line["step"] for line in records(run) if "loss" in line or "left_out" in line}) == [*range(1, 15)]


def test_a_worker_that_dies_while_its_server_goes_back_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(monkeypatch, tmp_path)
    runs = [text_run(tmp_path / name, {**LONG, **SERVED}, world_size=3) for name in ("whole", "killed")]
    assert work_together(runs[0], 3) == [0, 0, 0]
    victim, load, loads = start(runs[1], 2, 3), Server.load, list[int]()

    def loaded(self: Server, *told: Any) -> None:
        loads.append(1)
        if len(loads) == 2:
            os.kill(victim, signal.SIGKILL)
        load(self, *told)

    monkeypatch.setattr(Server, "load", loaded)
    others = [start(runs[1], rank, 3) for rank in (0, 1)]
    assert [finish(child) for child in (victim, *others)] == [-signal.SIGKILL, 0, 0]
    assert left_out(runs[1]) == [5, 6, 7, 8] and hashes(runs[1]) == hashes(runs[0])


@pytest.mark.slow
@pytest.mark.usefixtures("mortal")
@pytest.mark.parametrize(
    ("strategy", "world", "deaths"),
    [
        ("parameter_server", 3, [(0, "looking 1"), (0, "found 1"), (0, "found 2"), (0, "gone 2")]),
        ("fsdp_tensor", 4, [(3, "found 2")]),
    ],
)
def test_killed_on_the_way_back_it_comes_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str, world: int, deaths: list[tuple[int, str]]
) -> None:
    """Before a checkpoint is chosen, before it is loaded, and after; the first time, and when that one was spoilt."""
    spoil(monkeypatch, tmp_path)
    settings = {**LONG, "strategy": strategy, "steps": 11}
    whole = text_run(tmp_path / "whole", settings, world_size=world)
    assert work_together(whole, world) == [0] * world and left_out(whole) == [5, 6, 7, 8]
    for victim, place in deaths:
        killed = text_run(tmp_path / place, settings, world_size=world)
        killed_together(killed, world, victim, place)
        assert work_together(killed, world) == [0] * world, place
        assert hashes(killed) == hashes(whole), place
