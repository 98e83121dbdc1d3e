"""The web pages: Dagster's webserver and daemon, and MLflow's page, on loopback, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from ops.errors import ConfigError, ServiceDown
from ops.storage import lock
from pipelines.home import prepare_home
from resources.processes import OwnedTree
from resources.settings import Settings

LOOPBACK = "127.0.0.1"
START_SECONDS = 180.0
STOP_SECONDS = 10.0
WORKSPACE = Path(__file__).parent / "workspace.yaml"


@dataclass(frozen=True)
class Page:
    """One server: its name, its address, and the command that starts it; port 0 for one that serves no page."""

    name: str
    port: int
    command: list[str]

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self.port}"


def pages(settings: Settings, port: int, mlflow_port: int) -> list[Page]:
    """What `satiety ui` starts. With a tracking server of the team's own, MLflow's page is that server's."""
    location = ["-w", str(WORKSPACE)]
    python = sys.executable
    found = [
        Page("dagster", port, [python, "-m", "dagster_webserver", "-h", LOOPBACK, "-p", str(port), *location]),
        Page("daemon", 0, [python, "-m", "dagster._daemon", "run", *location]),
    ]
    if settings.tracking_uri.startswith("sqlite:"):
        store = ["--backend-store-uri", settings.tracking_uri]
        options = ["--host", LOOPBACK, "--port", str(mlflow_port), "--workers", "1"]
        found.append(Page("mlflow", mlflow_port, [python, "-m", "mlflow", "server", *store, *options]))
    return found


def serve(
    settings: Settings, *, port: int = 3000, mlflow_port: int = 5000, on_ready: Callable[[list[Page]], None]
) -> None:
    """Start the servers, call `on_ready` when their pages answer, and keep them until Ctrl-C or TERM; then end them.

    Raises:
        ConfigError: a port is taken.
        ServiceDown: a server ended, or did not answer in time; the message names its log.
    """
    wanted = pages(settings, port, mlflow_port)
    ports = [page.port for page in wanted if page.port]
    if len(set(ports)) < len(ports):
        raise ConfigError(f"two pages cannot have port {port}", hint="choose another with --port or --mlflow-port")
    for page in wanted:
        _check_port(page)
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(prepare_home(settings)),
        # Without an address of its own: trainings started from the page would take the default database for a server.
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Its job runner is eight more processes, for things that nothing here asks of it.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "DO_NOT_TRACK": "1",
    }
    logs = settings.home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    previous = signal.signal(signal.SIGTERM, _stop)
    try:
        with ExitStack() as stack:
            with _making_database(settings):
                trees = stack.enter_context(running(wanted, environment, logs))
                _wait_until_ready(wanted, trees, logs)
            on_ready(wanted)
            while True:
                _check_alive(trees, logs)
                time.sleep(1.0)
    except KeyboardInterrupt:
        # The only way for it to end, and what the user has asked for.
        return
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def _making_database(settings: Settings) -> Iterator[None]:
    """Nobody else makes MLflow's database meanwhile: two that do so at once fail over each other's tables."""
    if settings.tracking.uri is not None or settings.mlflow_database.exists():
        yield
        return
    with lock.hold(settings.mlflow_database.parent / "create.lock", "MLflow's database to be made"):
        yield


@contextmanager
def running(pages: list[Page], environment: Mapping[str, str], logs: Path) -> Iterator[dict[str, OwnedTree]]:
    """The servers as process trees by name, for the length of a `with` block; also a killed parent ends them."""
    trees: dict[str, OwnedTree] = {}
    try:
        for page in pages:
            log = logs / f"{page.name}.log"
            log.unlink(missing_ok=True)
            trees[page.name] = OwnedTree(page.command, env=environment, log=log, grace_s=STOP_SECONDS)
        yield trees
    finally:
        with _deaf():
            for tree in trees.values():
                if tree.poll() is None:
                    os.kill(tree.pid, signal.SIGTERM)
            for tree in trees.values():
                tree.end()


@contextmanager
def _deaf() -> Iterator[None]:
    """No second Ctrl-C: it would leave servers behind."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = [signal.signal(number, signal.SIG_IGN) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, previous, strict=True):
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _check_port(page: Page) -> None:
    if not page.port:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, page.port))
        except OSError as error:
            option = "--mlflow-port" if page.name == "mlflow" else "--port"
            raise ConfigError(
                f"port {page.port} is taken", where=page.name, hint=f"choose another with {option}"
            ) from error


def _wait_until_ready(wanted: list[Page], trees: dict[str, OwnedTree], logs: Path) -> None:
    limit = time.monotonic() + START_SECONDS
    waiting = {page.name: page for page in wanted if page.port}
    while waiting:
        _check_alive(trees, logs)
        for name, page in list(waiting.items()):
            with socket.socket() as probe:
                probe.settimeout(1.0)
                if probe.connect_ex((LOOPBACK, page.port)) == 0:
                    del waiting[name]
        if waiting and time.monotonic() > limit:
            name = next(iter(waiting))
            raise ServiceDown(f"no answer within {START_SECONDS:.0f} s", where=name, hint=f"see {logs / name}.log")
        time.sleep(0.2)


def _check_alive(trees: dict[str, OwnedTree], logs: Path) -> None:
    for name, tree in trees.items():
        code = tree.poll()
        if code is not None:
            raise ServiceDown(f"ended with exit code {code}", where=name, hint=f"see {logs / name}.log")
