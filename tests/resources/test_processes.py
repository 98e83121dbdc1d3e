"""Process trees that are owned, with small Python programs in the place of torchrun and its ranks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from resources.processes import OwnedTree, kill_tree

ROOT = Path(__file__).parents[2]
# A parent with a child in a session of its own, as torchrun has them; both may ignore TERM.
FAMILY = """
import os, signal, subprocess, sys, time
from pathlib import Path
folder, ignore = Path(sys.argv[1]), sys.argv[2] == "ignore"
if ignore: signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) == 3:
    (folder / "parent").write_text(str(os.getpid()))
    subprocess.Popen([sys.executable, __file__, sys.argv[1], sys.argv[2], "child"], start_new_session=True)
else:
    (folder / "child").write_text(str(os.getpid()))
if not ignore:
    def ended(number, frame):
        (folder / f"ended-{len(sys.argv)}").write_text("")
        sys.exit(143)
    signal.signal(signal.SIGTERM, ended)
time.sleep(60)
"""


def wait_for(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def family(tmp_path: Path) -> Path:
    (tmp_path / "family.py").write_text(FAMILY)
    return tmp_path


def tree(folder: Path, how: str = "", grace_s: float = 5.0, lock: Path | None = None) -> OwnedTree:
    command = [sys.executable, str(folder / "family.py"), str(folder), how]
    return OwnedTree(command, env=dict(os.environ), log=folder / "log", lock=lock, grace_s=grace_s)


def members(folder: Path) -> list[int]:
    wait_for(lambda: (folder / "parent").exists() and (folder / "child").exists())
    wait_for(lambda: (folder / "parent").read_text() and (folder / "child").read_text())
    return [int((folder / name).read_text()) for name in ("parent", "child")]


def test_exit_code_and_output(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for code, expected in (("import sys; print('said'); sys.exit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)):
        with OwnedTree([sys.executable, "-c", code], env=dict(os.environ), log=log) as owned:
            wait_for(lambda owned=owned: owned.poll() is not None)  # type: ignore[misc]
        assert owned.poll() == expected
    assert log.read_text() == "said\n"


def test_leaving_asks_everybody_and_waits(family: Path) -> None:
    with tree(family):
        pids = members(family)
    assert not any(map(alive, pids))
    # Both had the chance to end in order, the child although it is in another session.
    assert (family / "ended-3").exists() and (family / "ended-4").exists()


def test_those_that_ignore_term_are_killed_after_the_grace(family: Path) -> None:
    with tree(family, "ignore", grace_s=0.5):
        pids = members(family)
        started = time.monotonic()
    assert 0.4 < time.monotonic() - started < 4
    assert not any(map(alive, pids))


def test_children_left_behind_by_a_killed_parent_are_found(family: Path) -> None:
    with tree(family, "ignore", grace_s=0.5) as owned:
        parent, child = members(family)
        os.kill(parent, signal.SIGKILL)
        wait_for(lambda: owned.poll() is not None)
    assert owned.poll() == 137
    assert not alive(child)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_the_caller(family: Path, number: int) -> None:
    program = f"""
import sys, os, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from resources.processes import OwnedTree
folder = Path({str(family)!r})
command = [sys.executable, str(folder / "family.py"), str(folder), "ignore"]
with OwnedTree(command, env=dict(os.environ), log=folder / "log", grace_s=0.5) as owned:
    (folder / "guard").write_text(str(owned.pid))
    time.sleep(60)
"""
    caller = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)
    pids = [*members(family), int((family / "guard").read_text())]
    caller.send_signal(number)
    caller.wait()
    wait_for(lambda: not any(map(alive, pids)), timeout_s=6)


def test_second_tree_waits_for_the_end_of_the_first(family: Path) -> None:
    lock = family / "lock"
    second = family / "second"
    with tree(family, lock=lock):
        members(family)
        command = [sys.executable, "-c", f"open({str(second)!r}, 'w')"]
        with OwnedTree(command, env=dict(os.environ), log=family / "log2", lock=lock) as waiting:
            wait_for(lambda: "waiting" in (family / "log2").read_text())
            assert not second.exists() and waiting.poll() is None
            os.kill(int((family / "child").read_text()), signal.SIGKILL)
            os.kill(int((family / "parent").read_text()), signal.SIGKILL)
            wait_for(lambda: waiting.poll() is not None)
    assert second.exists()


def test_kill_tree(family: Path) -> None:
    process = subprocess.Popen([sys.executable, str(family / "family.py"), str(family), "ignore"])
    pids = members(family)
    kill_tree(process.pid)
    process.wait()
    wait_for(lambda: not any(map(alive, pids)))
    kill_tree(process.pid)


BUSY = """
import subprocess, sys, time
if len(sys.argv) == 1:
    child = subprocess.Popen([sys.executable, "-S", __file__, "child"], start_new_session=True)
while time.process_time() < 0.3: pass
if len(sys.argv) == 1:
    child.wait()
"""


def test_it_accounts_for_what_all_of_the_tree_took(tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text(BUSY)
    spent = tmp_path / "spent.txt"
    for count in (1, 2):
        command = [sys.executable, "-S", str(tmp_path / "busy.py")]
        with OwnedTree(command, env=dict(os.environ), log=tmp_path / "log", spent=spent) as owned:
            wait_for(lambda owned=owned: owned.poll() is not None, 30)  # type: ignore[misc]
        lines = [float(line) for line in spent.read_text().split()]
        assert len(lines) == count and 0.6 <= lines[-1] < 2.0


def test_it_accounts_for_what_was_killed(tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text("import time\nwhile True: time.process_time()\n")
    spent = tmp_path / "spent.txt"
    command = [sys.executable, "-S", str(tmp_path / "busy.py")]
    with OwnedTree(command, env=dict(os.environ), log=tmp_path / "log", spent=spent, grace_s=0.2) as owned:
        wait_for(lambda: sum(sum(one.cpu_times()[:2]) for one in psutil.Process(owned.pid).children()) > 0.3, 30)
    assert 0.3 <= float(spent.read_text()) < 5.0
