"""Real clusters on loopback, each a tree of processes that ends with its fixture, and the work that is sent to them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from ops.errors import BadData
from resources.child import ONE_CORE
from resources.processes import OwnedTree
from resources.remote import Probe

ROOT = Path(__file__).parents[2]
# Ray puts the machine's outer address in the place of 127.0.0.1, but not of another one of loopback.
RAY = """
import ray, sys
ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.2", _temp_dir=sys.argv[1], log_to_driver=False)
print("address", ray.get_runtime_context().gcs_address, flush=True)
import signal; signal.pause()
"""


def wait_for(what: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def environment(**more: str) -> dict[str, str]:
    # One variable that a worker has and nobody set for the call: threads as somebody else would have started it.
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "2", "POLARS_MAX_THREADS": "2", **more}


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Dask:
    """A scheduler and its workers."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack, self._count = folder, stack, 0
        self._file = folder / "scheduler.json"
        self.scheduler = self._run("scheduler", "--port", "0", "--no-show")
        wait_for(self._file.exists)
        wait_for(lambda: self._file.read_text().endswith("}"))
        self.address = str(json.loads(self._file.read_text())["address"])

    def worker(self, *options: str, **env: str) -> OwnedTree:
        return self._run("worker", "--nthreads", "1", "--no-nanny", *options, **env)

    def _run(self, what: str, *options: str, **env: str) -> OwnedTree:
        self._count += 1
        common = ["--scheduler-file", str(self._file), "--host", "127.0.0.1", "--no-dashboard"]
        command = [sys.executable, "-m", "dask", what, *common, *options]
        log = self._folder / f"{what}-{self._count}.log"
        return self._stack.enter_context(OwnedTree(command, env=environment(**env), log=log, grace_s=5))


@contextmanager
def dask(folder: Path, workers: int = 2) -> Iterator[Dask]:
    if find_spec("distributed") is None:
        pytest.skip('the extra is not installed: pip install "satiety[dask]"')
    with ExitStack() as stack:
        made = Dask(folder, stack)
        for _ in range(workers):
            made.worker("--local-directory", str(folder))
        yield made


@contextmanager
def ray() -> Iterator[str]:
    """The address of a cluster of one node with two cores."""
    if find_spec("ray") is None:
        pytest.skip('the extra is not installed: pip install "satiety[ray]"')
    folder = Path(tempfile.mkdtemp(prefix="ray-"))  # short: the names of its sockets may have 107 bytes
    (folder / "token").write_text(secrets.token_hex(32))
    own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(folder / "token"), "RAY_USAGE_STATS_ENABLED": "0"}
    os.environ.update(own)  # the tests' own process, and programs that they start, must show the token too
    log = folder / "log"
    env = environment(RAY_TMPDIR=str(folder))
    try:
        with OwnedTree([sys.executable, "-c", RAY, str(folder)], env=env, log=log, grace_s=10) as tree:
            wait_for(lambda: "address " in log.read_text() or tree.poll() is not None)
            lines = [line for line in log.read_text().splitlines() if line.startswith("address ")]
            assert lines, log.read_text()
            yield lines[0].split()[1]
    finally:
        for name in own:
            os.environ.pop(name, None)
        shutil.rmtree(folder, ignore_errors=True)


def square(item: int) -> tuple[int, int, int]:
    return item, item * item, os.getpid()


def threads(item: int) -> dict[str, str]:
    return {name: os.environ.get(name, "") for name in (*ONE_CORE, "SATIETY_MIRROR")}


def wrong(item: int) -> int:
    if item == 2:
        raise BadData("no header", where="file.csv:1", hint="add one")
    return item


def unknown(item: int) -> int:
    raise ZeroDivisionError("of course")


def nap(item: float) -> float:
    time.sleep(item)
    return item


def die(item: int) -> int:
    if item == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def kill_parent(item: int) -> int:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(30)
    return item


def linger(folder: str) -> None:
    """Say who works here, then work for a minute."""
    (Path(folder) / f"begun-{os.getpid()}").touch()
    time.sleep(60)


def unsendable(item: int) -> object:
    return lambda: item


def answer_elsewhere(probe: Probe) -> str:
    return "worker-elsewhere"
