"""The parameter server: without staleness one process's result, with it learning; workers that die and come back."""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ops.training.distributed import Group
from ops.training.parallel.server import PLACE, Server
from ops.training.parallel.server_worker import Helper
from ops.training.parallel.wire import LostError, connect, receive, send
from ops.training.run import read_run
from tests.ops.training.parallel.test_local_sgd import batch, loss_of, network
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


@pytest.fixture
def two_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every gradient is of the weights two updates before, however fast workers are; without a bound not in order."""
    bounded, following = Server._ready, Server._next

    def ready(self: Server) -> tuple[int, int] | None:
        given, arrived = min(self._version + 3, self._total), self._ledger.arrived
        if self._ledger.following < given or len(arrived) < given - self._version:
            return None
        return bounded(self) if self._staleness is not None else (max, min)[self._version % 2](arrived)

    def next_(self: Server) -> tuple[int, int] | None:
        return following(self) if self._ledger.following <= self._version + 2 else None

    monkeypatch.setattr(Server, "_ready", ready)
    monkeypatch.setattr(Server, "_next", next_)


@pytest.mark.slow
@pytest.mark.usefixtures("two_behind")
@pytest.mark.parametrize("staleness", [2, "any"])
def test_with_stale_gradients_it_learns(tmp_path: Path, staleness: Any) -> None:
    settings = {**SERVED, "parallel": {"staleness": staleness}, "steps": 60, "learning_rate": 0.01}
    run = trained(tmp_path, 3, settings)
    judged = [line["valid_accuracy"] for line in records(run) if "valid_loss" in line]
    assert max(judged) > 0.8  # by chance a third


@pytest.mark.slow
def test_a_worker_may_die_and_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One is killed while it works, the other goes on with its work; a third comes when it likes. Nothing changes."""
    settings = {"precision": "float64", "log_every": 1, "evaluate_every": 3, "clip_norm": 0.5, "clip_value": 0.1}
    settings |= {"averaging": {"kind": "ema", "decay": 0.5, "start": 0.3}, "steps": 30, **SERVED}
    model = {"kind": "transformer_encoder", "dim": 8, "depth": 2, "heads": 2, "dropout": 0.0}
    run = text_run(tmp_path / "run", settings, model=model, world_size=3)
    compute, died, came = Helper.compute, tmp_path / "died", tmp_path / "came"

    def computed(self: Helper, unit: tuple[int, int, int]) -> Any:
        """Holding a part of a batch, the first worker waits for what the other one does with the other part."""
        role = os.environ.get("ROLE")
        if role == "dies" and unit[0] >= 8:
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        elif role == "comes back":
            came.touch()
        elif role is None and unit[0] in (10, 25):
            wait_for((died if unit[0] == 10 else came).exists)
        return compute(self, unit)

    monkeypatch.setattr(Helper, "compute", computed)
    ranks = [start(run, 0, 3), start(run, 1, 3), start(run, 2, 3, ROLE="dies")]
    assert finish(ranks[2]) == -signal.SIGKILL
    wait_for(lambda: any(line["step"] >= 12 for line in records(run)))
    back = start(run, 2, 3, ROLE="comes back")
    assert [finish(rank) for rank in (*ranks[:2], back)] == [0, 0, 0]
    alone = text_run(tmp_path / "alone", {**settings, "strategy": "ddp"}, model=model)
    assert finish(start(alone)) == 0
    same(run, alone)


def wait_for(condition: Any) -> None:
    until = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def test_a_model_whose_running_values_would_stay_behind(tmp_path: Path) -> None:
    from ops.errors import ConfigError

    server = Server(tmp_path, 1, 1, 0, torch.device("cpu"))
    with pytest.raises(ConfigError, match="running values"):
        server.prepare(torch.nn.BatchNorm1d(2))


class Workers:
    """Workers that say which step they were asked for, with which weight, and answer when they are told to."""

    def __init__(self, place: Path, count: int) -> None:
        self.asked: queue.Queue[tuple[int, float]] = queue.Queue()
        self._answers: dict[int, threading.Event] = {}
        self._threads = [threading.Thread(target=self._work, args=(place,), daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _work(self, place: Path) -> None:
        line = connect(place)
        assert line is not None
        try:
            while not (head := receive(line))[0].get("over"):
                step, weights = head[0]["step"], head[1]
                answer = self._answers.setdefault(step, threading.Event())
                self.asked.put((step, float(weights["bias"][0])))
                answer.wait(180)
                gradients = {name: torch.full_like(value, float(step)) for name, value in weights.items()}
                send(line, {"who": step, "cpu_s": 0.5, "loss": 2.0 * step, "count": 2}, gradients)
        except LostError:
            pass

    def answer(self, step: int) -> None:
        self._answers.setdefault(step, threading.Event()).set()

    def heard(self, count: int) -> dict[int, float]:
        """The steps that were asked for, and the first weight's value there; no more than so many come."""
        found = dict(self.asked.get(timeout=180) for _ in range(count))
        time.sleep(0.1)
        assert self.asked.empty()
        return found


@pytest.fixture
def served(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Server, nn.Linear, Workers]]:
    """A server of nine steps with five workers, and its model, whose bias begins at zero."""
    server, model = (
        Server(tmp_path, 5, 9, None if request.param == "any" else request.param, torch.device("cpu")),
        network(),
    )
    nn.init.zeros_(model.bias)
    server.prepare(model)
    server.goes_on(0)
    workers = Workers(tmp_path / PLACE, 5)
    yield server, model, workers
    for step in range(9):
        workers.answer(step)
    server.close()


def update(server: Server, model: nn.Linear, step: int) -> None:
    """Wait for a step's gradients, and set the bias to the number of updates."""
    loss = server.backward(batch(step), loss_of, 0.2)
    assert float(loss) == pytest.approx(step * 5)  # the worker's mean, times what the batch counts here
    assert model.bias.grad is not None and float(model.bias.grad[0]) == step
    nn.init.constant_(model.bias, step + 1.0)
    server.stepped(model, step + 1)


@pytest.mark.parametrize("served", [2], indirect=True)
def test_no_gradient_is_further_behind_than_the_bound_and_updates_are_in_order(
    served: tuple[Server, nn.Linear, Workers],
) -> None:
    """Of five workers three have work: the third batch's gradients will be two updates behind the weights."""
    server, model, workers = served
    assert workers.heard(3) == {0: 0.0, 1: 0.0, 2: 0.0}
    workers.answer(2)
    workers.answer(1)
    assert workers.heard(0) == {}
    workers.answer(0)
    for step in range(3):
        update(server, model, step)
        assert workers.heard(1) == {step + 3: step + 1.0}  # at most two updates behind again
    assert server.spent() == (1.5, 0)  # what three of them have told


@pytest.mark.parametrize("served", ["any"], indirect=True)
def test_without_a_bound_nobody_waits_and_updates_are_made_as_they_come(
    served: tuple[Server, nn.Linear, Workers],
) -> None:
    server, model, workers = served
    assert workers.heard(5) == dict.fromkeys(range(5), 0.0)
    for step in (3, 0, 4):
        workers.answer(step)
        server.backward(batch(step), loss_of, 0.2)
        assert model.bias.grad is not None and float(model.bias.grad[0]) == step
    assert sorted(workers.heard(3)) == [5, 6, 7]


def test_whoever_computes_a_part_drops_the_same_values(tmp_path: Path) -> None:
    """Two workers, each asked for other parts before: a part's gradients are the same bits."""
    told = read_run(
        text_run(tmp_path, model={"kind": "transformer_encoder", "dim": 8, "depth": 1, "heads": 2, "dropout": 0.5})
    )
    first, second = (Helper(told, Group(rank=rank)) for rank in (1, 2))
    weights = {name: weight.detach().clone() for name, weight in first.model.named_parameters()}
    second.answer((1, 0, 2), weights)
    (mine, here), (theirs, there) = (each.answer((0, 1, 2), weights) for each in (first, second))
    assert mine["loss"] == theirs["loss"] and all(torch.equal(here[name], value) for name, value in there.items())
    assert first.answer((0, 0, 2), weights)[0]["loss"] != mine["loss"]
