"""The launcher with the real torchrun and a stand-in for the worker (`fake_worker.py`)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from ops.errors import CheckFailed, ConfigError, Temporary, TrainingFailed
from ops.launch import LaunchConfig
from resources.launcher import LaunchPlan, launch

ROOT = Path(__file__).parents[2]
WORKER = str(Path(__file__).with_name("fake_worker.py"))


# Forked from torchrun, which has imported torch already; or as programs, as with a torch that knows GPUs.
BOTH_STARTS = pytest.mark.parametrize("fork", [pytest.param(True, marks=pytest.mark.slow), False])


def plan(work: Path, config: dict[str, Any] | None = None, *, fork: bool = True, **run: Any) -> LaunchPlan:
    work.mkdir(exist_ok=True)
    run_file = work / "run.json"
    run_file.write_text(json.dumps({"work": str(work), **run}))
    settings = LaunchConfig(**{"retries": 0, "grace_s": 1.0, **(config or {})})
    return LaunchPlan(run_file, work, settings, worker=WORKER, env={"OMP_NUM_THREADS": "1"}, fork=fork)


def pids(work: Path) -> list[int]:
    return [int(pid) for path in work.glob("pid-*") for pid in path.read_text().split()]


def alive(found: list[int]) -> list[int]:
    return [pid for pid in found if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def listening() -> set[str]:
    """The addresses that descendants of this process listen at."""
    found: set[str] = set()
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            places = process.net_connections("inet")
            found |= {place.laddr.ip for place in places if place.status == psutil.CONN_LISTEN}
    return found


def wait_for(condition: Callable[[], object], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_records_arrive_while_two_ranks_train(tmp_path: Path) -> None:
    late_ms: list[float] = []
    steps: list[int] = []
    places: set[str] = set()

    def listen(record: dict[str, Any]) -> None:
        late_ms.append(time.time() * 1000 - record["time_ms"])
        steps.append(record["step"])
        if record["step"] == 0:
            places.update(listening())

    result = launch(plan(tmp_path, {"processes": 2}, steps=8, step_s=0.05, gloo=True, environment=True), listen)
    assert steps == list(range(8))
    assert sorted(late_ms)[6] < 500
    assert (result.attempts, result.records) == (1, 8)
    assert result.startup_s is not None and result.startup_s < result.wall_s
    ranks = [json.loads((tmp_path / f"env-{rank}.json").read_text()) for rank in (0, 1)]
    assert [env["LOCAL_RANK"] for env in ranks] == ["0", "1"]
    assert {env["MASTER_ADDR"] for env in ranks} == {"127.0.0.1"}
    if sys.platform == "linux":
        assert places == {"127.0.0.1"}
    assert {env["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] for env in ranks} == {"1"}
    assert alive(pids(tmp_path)) == []


def test_what_the_first_rank_warns_of_is_warned_of_once_in_each_attempt(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "warnings.jsonl").write_text('{"said": "of an earlier run", "time": 1.0}\n')
    launch(plan(tmp_path, {"retries": 1}, warns="mind the step", exit={"0": 75}, fail_attempts=1))
    said = [record.getMessage() for record in caplog.records if record.name == "satiety.launcher"]
    assert [text for text in said if "mind" in text or "earlier" in text] == ["mind the step"] * 2


@BOTH_STARTS
def test_settings_that_a_rank_refuses_are_not_tried_again(tmp_path: Path, fork: bool) -> None:
    with pytest.raises(ConfigError, match="the worker says 2"):
        launch(plan(tmp_path, {"retries": 3}, exit={"0": 2}, fork=fork))
    assert len(pids(tmp_path)) == 1


@pytest.mark.slow
def test_loss_that_is_not_finite(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="the worker says 4"):
        launch(plan(tmp_path, {"processes": 2}, exit={"1": 4}))


@BOTH_STARTS
def test_exception_is_quoted(tmp_path: Path, fork: bool) -> None:
    with pytest.raises(TrainingFailed, match="ValueError: boom"):
        launch(plan(tmp_path, boom=0, fork=fork))


def test_killed_rank_is_tried_again_in_a_fresh_torchrun(tmp_path: Path) -> None:
    found: list[dict[str, Any]] = []
    # Rank 0 dies at step 3; the second attempt takes back step 2, which is not in its checkpoint, and says it again.
    launched = plan(tmp_path, {"retries": 1}, steps=5, kill={"0": 3}, fail_attempts=1, truncate=1, first={"2": 2})
    result = launch(launched, found.append)
    assert result.attempts == 2
    assert [record["step"] for record in found] == [0, 1, 2, 2, 3, 4]
    assert len(pids(tmp_path)) == 2
    assert [path.name for path in sorted((tmp_path / "logs").iterdir())] == ["attempt-01", "attempt-02"]


@pytest.mark.slow
@pytest.mark.parametrize("fork", [True, False])
def test_death_of_one_rank_is_not_blamed_on_the_other(tmp_path: Path, fork: bool) -> None:
    """Rank 1 is killed; rank 0 finds the connection gone and ends with exit code 1, at nearly the same moment."""
    run = plan(tmp_path, {"processes": 2}, steps=100, step_s=0.01, kill={"1": 5}, gloo=True, fork=fork)
    with pytest.raises(Temporary):
        launch(run)
    assert alive(pids(tmp_path)) == []


@pytest.mark.slow
def test_restart_in_place(tmp_path: Path) -> None:
    result = launch(plan(tmp_path, {"processes": 2, "max_restarts": 1}, gloo=True, exit={"1": 1}, fail_attempts=1))
    assert result.attempts == 1
    assert len(pids(tmp_path)) == 4


@pytest.mark.slow
def test_rank_without_sign_of_life_is_ended(tmp_path: Path) -> None:
    run = plan(tmp_path, {"timeout_s": 3.0, "grace_s": 0.5}, steps=100000, hang_after=2, ignore_term=True)
    with pytest.raises(Temporary, match="no sign of life for 3 s"):
        launch(run)
    assert alive(pids(tmp_path)) == []


@pytest.mark.slow
def test_training_without_a_result_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="left no result"):
        launch(plan(tmp_path, no_result=True))


def test_listener_that_raises_ends_the_ranks(tmp_path: Path) -> None:
    class Enough(BaseException):
        pass

    def listen(record: dict[str, Any]) -> None:
        raise Enough

    with pytest.raises(Enough):
        launch(plan(tmp_path, {"processes": 2, "grace_s": 5.0}, steps=100000, term=True), listen)
    assert len(pids(tmp_path)) == 2
    assert alive(pids(tmp_path)) == []
    assert (tmp_path / "checkpoint").exists()


PROGRAM = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
from pathlib import Path
from ops.launch import LaunchConfig
from resources.launcher import LaunchPlan, launch
work = Path({work!r})
config = LaunchConfig(processes=2, grace_s=1.0, retries=3)
launch(LaunchPlan(work / "run.json", work, config, worker={worker!r}), lambda record: print("record", flush=True))
"""


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
    ],
)
def test_no_rank_outlives_the_caller(tmp_path: Path, number: int) -> None:
    """Not even ranks that ignore TERM, when the caller has no chance to clean up."""
    plan(tmp_path, steps=100000, ignore_term=True)
    program = PROGRAM.format(root=str(ROOT), tests=str(Path(__file__).parent), work=str(tmp_path), worker=WORKER)
    caller = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert caller.stdout is not None and caller.stdout.readline() == "record\n"
    below = [process.pid for process in psutil.Process(caller.pid).children(recursive=True)]
    assert set(pids(tmp_path)) < set(below)
    caller.send_signal(number)
    wait_for(lambda: not alive(below), timeout_s=8)
    caller.communicate()
    assert caller.returncode == -number


@pytest.mark.slow
@pytest.mark.parametrize("role", ["guard", "agent", "both"])
def test_no_rank_outlives_its_owners(tmp_path: Path, role: str) -> None:
    """Guard or torchrun are killed themselves."""
    errors: list[BaseException] = []
    run = plan(tmp_path, {"processes": 2}, steps=100000, ignore_term=role == "agent")

    def train() -> None:
        try:
            launch(run)
        except Temporary as error:
            errors.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    wait_for(lambda: len(pids(tmp_path)) == 2)
    guard = next(p for p in psutil.Process().children() if "guard.py" in " ".join(p.cmdline()))
    (agent,) = guard.children()
    below = [process.pid for process in guard.children(recursive=True)]
    for victim in {"guard": [guard], "agent": [agent], "both": [guard, agent]}[role]:
        victim.kill()
    thread.join(15)
    assert not thread.is_alive() and len(errors) == 1
    wait_for(lambda: not alive(below), timeout_s=8)


@pytest.mark.slow
def test_two_nodes_meet_at_the_endpoint(tmp_path: Path) -> None:
    """Two launchers on this machine, as on two, over a shared work folder; only node 0 reports."""
    endpoint = "127.0.0.1:29741"
    records: dict[int, list[Any]] = {0: [], 1: []}

    def node(rank: int) -> None:
        config = {"nodes": 2, "endpoint": endpoint, "node_rank": rank}
        launch(plan(tmp_path, config, steps=4, step_s=0.05, gloo=True, environment=True), records[rank].append)

    threads = [threading.Thread(target=node, args=(rank,)) for rank in (1, 0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [record["step"] for record in records[0]] == [0, 1, 2, 3]
    assert records[1] == []
    sizes = [json.loads((tmp_path / f"env-{rank}.json").read_text())["WORLD_SIZE"] for rank in (0, 1)]
    assert sizes == ["2", "2"]


def test_environment_of_a_surrounding_torchrun_is_not_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "ROLE_NAME", "TORCHELASTIC_RUN_ID"):
        monkeypatch.setenv(name, "7")
    monkeypatch.setenv("MY_RANKING", "kept")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    env = LaunchPlan(tmp_path / "run.json", tmp_path, LaunchConfig(processes=256)).environment()
    assert "7" not in {env.get(name) for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "ROLE_NAME")}
    assert env["MY_RANKING"] == "kept"
    assert env["OMP_NUM_THREADS"] == "1"
    assert str(ROOT) in env["PYTHONPATH"].split(os.pathsep)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert LaunchPlan(tmp_path / "run.json", tmp_path).environment()["OMP_NUM_THREADS"] == "5"


def test_worker_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no module 'ops\.nothing'"):
        LaunchPlan(tmp_path / "run.json", tmp_path, worker="ops.nothing").script()
