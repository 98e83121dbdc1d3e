"""The journal, the random states, the heartbeat, the signals and the cost."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from ops.evaluation.measure import Meter
from ops.training import random_state, spending
from ops.training.checkpoint import Checkpoint
from ops.training.distributed import Group
from ops.training.heartbeat import Heartbeat
from ops.training.journal import Journal, history
from ops.training.run import read_run
from ops.training.signals import Stop
from ops.training.snapshots import Snapshots
from ops.training.spending import Spending
from tests.ops.training.runs import text_run


def test_the_journal_goes_on_where_the_checkpoint_was(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    journal = Journal(path, 0)
    journal.write({"step": 1})
    size = journal.sync()
    journal.write({"step": 2})
    journal.close()
    with path.open("a") as torn:
        torn.write('{"st')
    again = Journal(path, size)
    again.write({"step": 3})
    again.close()
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 3]


def test_the_history_has_no_clock() -> None:
    lines = b'{"examples_per_s":2.0,"loss":0.5,"step":1,"time_ms":9}\n{"step":1,"time_ms":10,"valid_loss":1.0}\n'
    assert history(lines) == b'{"loss":0.5,"step":1}\n{"step":1,"valid_loss":1.0}\n'


def test_random_states_come_back_exactly() -> None:
    random_state.seed_everything(7)
    random.gauss(0, 1)
    np.random.normal()
    torch.randn(3)
    kept = random_state.capture()

    def draw() -> tuple[float, float, list[float]]:
        return random.gauss(0, 1), float(np.random.normal()), torch.randn(5).tolist()

    first = draw()
    assert draw() != first
    random_state.restore(kept)
    assert draw() == first


@pytest.mark.parametrize("streams", [[0], [0, 0], [0, 1]])
def test_random_states_are_of_as_many_processes_that_draw_by_the_same_streams(
    tmp_path: Path, streams: list[int]
) -> None:
    """A checkpoint of one process goes on with its state; one of others (who dropped other values) with fresh ones."""
    run = read_run(text_run(tmp_path))
    random_state.seed_everything(7)
    state = {"random": [random_state.capture().decode()] * len(streams), "streams": streams}
    going_on = torch.randn(3).tolist()
    random_state.seed_everything(random_state.seed_of_rank(run.seed, 0, 5))
    fresh = torch.randn(3).tolist()
    random_state.seed_everything(1)
    Snapshots(run, Group()).restore_random(Checkpoint(5, {"state.json": json.dumps(state).encode()}))
    assert torch.randn(3).tolist() == (going_on if streams == [0] else fresh)


def test_ranks_and_steps_draw_differently() -> None:
    seeds = {random_state.seed_of_rank(seed, rank, step) for seed in (0, 1) for rank in (0, 1) for step in (0, 1)}
    assert len(seeds) == 8
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_heart_beats_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("ops.training.heartbeat.time.monotonic", lambda: now)
    heart = Heartbeat(tmp_path, 0)
    for step, seconds in enumerate((0.0, 0.5, 0.6)):
        now += seconds
        heart.beat(step)
    assert json.loads((tmp_path / "heartbeat").read_text()) == {"step": 2, "pid": os.getpid()}
    Heartbeat(tmp_path, 3).beat(1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["heartbeat", "heartbeat-3"]


def test_the_first_signal_is_remembered() -> None:
    stop, before = Stop(), {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        stop.listen()
        assert stop.signal == 0
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.signal == signal.SIGINT
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_costs_add_up_over_laps_and_resumed_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("ops.training.spending.time.perf_counter", lambda: now[0])
    first = Spending(Group(), None, 0.0)
    first.count(10, 1000, 800)
    first.started()
    lap = first.lap()
    started = lap["startup_s"]
    first.started()
    first.count(5, 500, 400)
    with first.timed("computing"):
        now[0] += 0.25
    with first.timed("waiting"):
        now[0] += 0.125
    again = Spending(Group(), first.lap(), 0.0)
    again.count(1, 1)
    total = again.lap()
    assert (total["examples"], total["flops"]) == (16, 1501)
    assert total["startup_s"] == started > 0
    assert total["cpu_s"] >= lap["cpu_s"] > 0
    assert (total["computing_s"], total["waiting_s"]) == (0.25, 0.125)
    report = spending.report({**total, "joules": None}, 7, 2, peak=1e6, counted=1.0001)
    assert report["utilisation"] == round(1200 / (total["computing_s"] * 2e6), 4)
    busy = total["computing_s"] + total["waiting_s"]
    assert report["waiting_share"] == round(total["waiting_s"] / busy, 4)
    assert report["flops_by_torch"] == 1.0001 and report["flops"] == 1501 and "model_flops" not in report
    assert report["energy"]["method"] == "estimated"
    assert "W" in report["energy"]["how"]
    assert "joules" not in report
    assert spending.report({**total, "joules": 3.25}, 7, 2, 1e6, None)["energy"] == {
        "joules": 3.2,
        "method": "measured",
        "how": "RAPL package counters of the whole machine, while training",
    }


@pytest.mark.parametrize(("local_rank", "joules"), [(0, 5.0), (1, 0.0)])
def test_the_energy_of_a_machine_is_counted_by_one_of_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, local_rank: int, joules: float
) -> None:
    counter = tmp_path / "intel-rapl:0"
    counter.mkdir()
    (counter / "max_energy_range_uj").write_text("100000000")
    (counter / "energy_uj").write_text("97000000")
    monkeypatch.setattr(spending, "Meter", lambda: Meter(tmp_path))
    process = Spending(Group(local_rank=local_rank), None, 0.0)
    (counter / "energy_uj").write_text("2000000")  # it wraps
    assert process.lap()["joules"] == joules
