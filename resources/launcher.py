"""Starting the training processes through torchrun, following them, and making sure that none is left.

    parent (Dagster's op, the command line)
      └─ guard.py          owns the tree: the parent's death, however sudden, is the end of all below
           └─ agent.py     torchrun
                └─ rank 0, rank 1, …   ops.training.worker, which read run.json

One launch is up to `retries + 1` attempts, each a fresh torchrun: the workers go on from their last checkpoint.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops.abreast import given_up
from ops.errors import ConfigError, Temporary, TrainingFailed
from ops.launch import SPENT, WARNINGS, LaunchConfig
from ops.training.parallel.checks import oversubscribed
from resources.processes import OwnedTree
from resources.tail import Tail
from resources.verdict import verdict

WORKER = "ops.training.worker"
POLL_S = 0.1
AGENT = Path(__file__).with_name("agent.py")
ROOT = Path(__file__).resolve().parent.parent

# What torchrun tells its ranks; a test or a notebook may itself be one.
_OF_TORCHRUN = re.compile(r"TORCHELASTIC_.*|MASTER_(ADDR|PORT)|((LOCAL|GROUP|ROLE)_)?(RANK|WORLD_SIZE)|ROLE_NAME")

log = logging.getLogger("satiety.launcher")

Record = dict[str, Any]


@dataclass(frozen=True)
class LaunchPlan:
    """One training to be started.

    Attributes:
        run_file: the resolved run (`run.json`), the workers' only argument.
        work: folder where the workers write metrics, heartbeat, checkpoints and result, and the launcher its logs.
        config: nodes, processes, retries, times.
        worker: module that is run as a program in every rank, or the path of a script.
        env: variables beside those of this process.
        fork: whether the ranks of one node may be forked from torchrun where torch knows no GPU; else they are programs
            of their own.
    """

    run_file: Path
    work: Path
    config: LaunchConfig = field(default_factory=LaunchConfig)
    worker: str = WORKER
    env: Mapping[str, str] = field(default_factory=dict)
    fork: bool = True

    def command(self, logs: Path, port: int) -> list[str]:
        """The agent's command line for one attempt; `port` is where a single node's ranks meet."""
        config = self.config
        options = ["--nproc-per-node", str(config.processes), "--max-restarts", str(config.max_restarts)]
        options += ["--shutdown-timeout", str(max(1, round(config.grace_s)))]
        options += ["--log-dir", str(logs), "--redirects", "3"]
        options += ["--nnodes", str(config.nodes)]
        if config.nodes == 1 and config.max_restarts == 0:
            # A static meeting point takes 0.6 s less than the dynamic one of --standalone, and torchrun then runs no
            # threads of Python that a fork would cut off.
            options += ["--master-addr", "127.0.0.1", "--master-port", str(port)]
            options += ["--start-method", "fork", "--run-path"] if self.fork else []
        else:
            # Ranks that are restarted in place do not find each other through a static one.
            endpoint = config.endpoint or f"127.0.0.1:{port}"
            options += ["--local-addr", "127.0.0.1"] if config.nodes == 1 else []
            options += ["--rdzv-backend", "c10d", "--rdzv-id", self.work.name or "satiety"]
            options += ["--rdzv-endpoint", endpoint, "--rdzv-conf", f"is_host={str(config.node_rank == 0).lower()}"]
        program = [sys.executable, "-P", str(AGENT), str(logs / "report.json")]
        return [*program, *options, str(self.script()), str(self.run_file)]

    def environment(self) -> dict[str, str]:
        """The ranks' environment: this process's without a surrounding torchrun's, and the launcher's defaults."""
        env = {name: value for name, value in os.environ.items() if not _OF_TORCHRUN.fullmatch(name)}
        env.setdefault("OMP_NUM_THREADS", str(self.config.threads))
        env["PYTHONUNBUFFERED"] = "1"
        # Ranks are started by path: the script's own folder must not come first in the search for modules.
        env["PYTHONSAFEPATH"] = "1"
        env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), env.get("PYTHONPATH", "")]))
        # With it, restarted gloo ranks found each other in 8 of 8 runs, without in 4 of 10.
        env["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
        if self.config.nodes == 1 and sys.platform == "linux":
            env.setdefault("GLOO_SOCKET_IFNAME", "lo")
        return env | dict(self.env)

    def script(self) -> Path:
        """The worker's file.

        Raises:
            ConfigError: there is no such module or file.
        """
        if self.worker.endswith(".py"):
            return Path(self.worker).resolve()
        spec = importlib.util.find_spec(self.worker)
        if spec is None or spec.origin is None:
            raise ConfigError(f"there is no module {self.worker!r} to train with", where=str(self.run_file))
        return Path(spec.origin)


@dataclass(frozen=True)
class LaunchResult:
    """How a launch that ended well went.

    Attributes:
        attempts: times that torchrun was started.
        records: metrics records handed on.
        wall_s: seconds from start to end, all attempts together.
        startup_s: seconds from the last start to the first sign of life of rank 0, None without one.
        logs: folder of the last attempt's logs.
    """

    attempts: int
    records: int
    wall_s: float
    startup_s: float | None
    logs: Path


def launch(plan: LaunchPlan, on_record: Callable[[Record], None] = lambda record: None) -> LaunchResult:
    """Train: start the ranks, hand each metrics record to `on_record` within 0.2 s, and return when all ended well.

    What the first rank warns of (a damaged checkpoint, a loss that is not finite) is warned of here.

    Leaving this function in any way, also by an exception of `on_record` or a Ctrl-C, ends all processes first; so does
    whoever gives up this thread's work (`ops.abreast`).

    Raises:
        ConfigError: a rank refused its settings (exit code 2), or there are more of them than cores.
        CheckFailed: the loss was no longer finite (4).
        Temporary: the ranks were killed, asked to be started again (75) or gave no sign of life, in every attempt.
        TrainingFailed: anything else, with the last lines of the log of the rank that failed first.
    """
    if found := oversubscribed(plan.config):
        raise ConfigError(found, where="launch.processes")
    plan.work.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    records = 0
    attempt = 1
    while True:
        follower = _Attempt(plan, on_record)
        try:
            follower.run()
            break
        except Temporary as error:
            if attempt > plan.config.retries:
                raise
            log.warning("%s; going on from the last checkpoint, try %d of %d", error, attempt, plan.config.retries)
        finally:
            records += follower.records
        attempt += 1
    return LaunchResult(attempt, records, time.monotonic() - started, follower.startup_s, follower.logs)


class _Attempt:
    """One torchrun from start to end."""

    def __init__(self, plan: LaunchPlan, on_record: Callable[[Record], None]) -> None:
        self.plan = plan
        self.on_record = on_record
        self.records = 0
        self.startup_s: float | None = None
        self.logs = _next_folder(plan.work / "logs")
        self._metrics, self._warnings = Tail(plan.work / "metrics.jsonl"), Tail(plan.work / WARNINGS)
        self._pulse = _Pulse(plan.work / "heartbeat")

    def run(self) -> None:
        config = self.plan.config
        lock = self.plan.work / f"launch-{config.node_rank}.lock"
        tree = OwnedTree(
            self.plan.command(self.logs, _free_port()),
            env=self.plan.environment(),
            log=self.logs / "torchrun.log",
            lock=lock,
            spent=self.plan.work / SPENT,
            grace_s=config.grace_s,
        )
        with tree:
            self._follow(tree)
            code = tree.end()
        self._hand_on()
        if code != 0:
            raise verdict(code, self.logs)
        if config.reports and not (self.plan.work / "result" / "done.json").is_file():
            raise TrainingFailed("all ranks ended well but left no result", where=str(self.logs))

    def _follow(self, tree: OwnedTree) -> None:
        limit = self.plan.config.timeout_s
        while tree.poll() is None:
            self._hand_on()
            if given_up():
                raise TrainingFailed("it was ended: nobody waits for it any more", where=str(self.logs))
            if self._pulse.beats() and self.startup_s is None:
                self.startup_s = self._pulse.age_s
            if self.plan.config.reports and self._pulse.silent_s > limit:
                raise Temporary(
                    f"rank 0 gave no sign of life for {limit:g} s and was ended",
                    where=str(self.logs),
                    hint="raise launch.timeout_s if a step may take that long",
                )
            time.sleep(POLL_S)

    def _hand_on(self) -> None:
        if not self.plan.config.reports:
            return
        for record in self._metrics.poll():
            self.records += 1
            self._pulse.felt()
            self.on_record(record)
        for warning in self._warnings.poll():
            log.warning("%s", warning.get("said"))


class _Pulse:
    """Signs of life: the heartbeat file's content changing, or a metrics record. No file times are compared."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content = self._read()
        self._started = self._last = time.monotonic()

    def beats(self) -> bool:
        """Whether there was a new heartbeat since the last call."""
        content = self._read()
        if content == self._content:
            return False
        self._content = content
        self.felt()
        return True

    def felt(self) -> None:
        """Note a sign of life."""
        self._last = time.monotonic()

    @property
    def silent_s(self) -> float:
        """Seconds since the last sign of life, or since the start."""
        return time.monotonic() - self._last

    @property
    def age_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except OSError:
            return b""


def _next_folder(logs: Path) -> Path:
    """A new `attempt-NN` folder; numbers go on over launches, so that no log is overwritten."""
    logs.mkdir(parents=True, exist_ok=True)
    number = len(list(logs.glob("attempt-*")))
    while True:
        number += 1
        folder = logs / f"attempt-{number:02d}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder


def _free_port() -> int:
    """A port of the loopback interface that was free a moment ago; if it is taken meanwhile, that is `Temporary`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
