"""Two launchers with the real worker, as on two machines over a shared folder: they train what one machine does."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import psutil
import pytest

from ops.launch import LaunchConfig
from resources.launcher import LaunchPlan, LaunchResult, launch
from tests.ops.training.runs import free_port, hashes, records, text_run, work_together
from tests.resources.test_launcher import wait_for

SETTINGS = {"steps": 60, "checkpoint_every": 10, "log_every": 1}


def agents(role: str) -> list[psutil.Process]:
    """The torchrun agents below this process that host the meeting point (`true`) or do not (`false`)."""
    found = psutil.Process().children(recursive=True)
    lines = [(p, p.cmdline()) for p in found]
    return [p for p, line in lines if line[2:3] and line[2].endswith("agent.py") and f"is_host={role}" in line]


@pytest.mark.slow
def test_a_killed_agent_is_replaced_and_the_weights_are_those_of_one_machine(tmp_path: Path) -> None:
    one = text_run(tmp_path / "one", SETTINGS, world_size=2)
    assert work_together(one) == [0, 0]

    run = text_run(tmp_path / "two", SETTINGS, world_size=2)
    endpoint = f"127.0.0.1:{free_port()}"
    results: dict[int, LaunchResult] = {}

    def node(rank: int) -> None:
        config = LaunchConfig(nodes=2, endpoint=endpoint, node_rank=rank, retries=5, grace_s=1.0)
        env = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
        results[rank] = launch(LaunchPlan(run, run.parent, config, env=env))

    threads = [threading.Thread(target=node, args=(rank,)) for rank in (0, 1)]
    for thread in threads:
        thread.start()
    wait_for(lambda: list((run.parent / "checkpoints").glob("step-*")), 60)
    (agent,) = agents("false")
    agent.kill()
    for thread in threads:
        thread.join(120)
    assert results[0].attempts > 1 and results[1].attempts > 1
    assert any("going on after step" in path.read_text() for path in (run.parent / "logs").glob("rank*.log"))
    assert [line["step"] for line in records(run) if "loss" in line] == list(range(1, 61))
    assert hashes(run) == hashes(one)
    assert json.loads((run.parent / "result" / "cost.json").read_text())["processes"] == 2
