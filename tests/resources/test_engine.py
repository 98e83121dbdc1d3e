from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ops.errors import BadData, Temporary
from resources.child import ONE_CORE
from resources.engine import LocalEngine

ROOT = Path(__file__).parents[2]
# Functions that workers can import by name; the tests' own modules are not on their path.
PROGRAM = """
import os, sys, time
sys.path.insert(0, {root!r})
from ops.errors import BadData
from resources.engine import LocalEngine

def sleep(item):
    time.sleep(60)

if __name__ == "__main__":
    print("begun", flush=True)
    list(LocalEngine(2).map(sleep, range(4)))
"""


def square(item: int) -> tuple[int, int, int]:
    return item, item * item, os.getpid()


def environment(item: int) -> dict[str, str]:
    return {name: os.environ.get(name, "") for name in ONE_CORE}


def wrong(item: int) -> int:
    if item == 2:
        raise BadData("no header", where="file.csv:1", hint="add one")
    return item


def nap(item: float) -> float:
    time.sleep(item)
    return item


def die(item: int) -> int:
    if item == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_once(workers: int) -> None:
    found = list(LocalEngine(workers).map(square, range(9)))
    assert sorted(item for item, _, _ in found) == list(range(9))
    assert all(value == item * item for item, value, _ in found)
    assert (os.getpid() in {pid for _, _, pid in found}) == (workers == 1)


def test_one_item_and_none_stay_here() -> None:
    assert [pid for _, _, pid in LocalEngine(4).map(square, [3])] == [os.getpid()]
    assert list(LocalEngine(4).map(square, [])) == []


def test_workers_have_one_core_and_this_process_keeps_its_own() -> None:
    before = dict(os.environ)
    for found in LocalEngine(2).map(environment, range(2)):
        assert found == {name: before.get(name, value) for name, value in ONE_CORE.items()}
    assert dict(os.environ) == before


@pytest.mark.filterwarnings("ignore:.*cancelled:UserWarning")
def test_results_come_as_they_are_ready() -> None:
    list(LocalEngine(2).map(nap, [0.0, 0.0]))
    assert next(iter(LocalEngine(2).map(nap, [1.0, 0.0]))) == 0.0


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_cross_the_border_whole(workers: int) -> None:
    with pytest.raises(BadData) as caught:
        list(LocalEngine(workers).map(wrong, range(4)))
    error = caught.value
    assert (error.message, error.where, error.hint) == ("no header", "file.csv:1", "add one")


def test_killed_worker_is_temporary_and_the_next_map_works() -> None:
    with pytest.raises(Temporary, match="memory"):
        list(LocalEngine(2).map(die, range(3)))
    assert len(list(LocalEngine(2).map(square, range(3)))) == 3


def test_default_is_one_worker_per_core() -> None:
    assert LocalEngine().workers == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path: Path, number: int) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(root=str(ROOT)))
    parent = subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert parent.stdout is not None and parent.stdout.readline() == "begun\n"
    deadline = time.monotonic() + 30
    while len(workers := _workers(parent.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    parent.send_signal(number)
    parent.communicate(timeout=20)
    _, left = psutil.wait_procs(workers, timeout=10)
    assert len(workers) == 2 and left == []


def _workers(pid: int) -> list[psutil.Process]:
    return [p for p in psutil.Process(pid).children(recursive=True) if "popen_loky" in " ".join(p.cmdline())]
