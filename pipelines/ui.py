"""The web pages: Dagster's webserver and daemon, and MLflow's page, on loopback, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from ops.errors import ConfigError, Interrupted, ServiceDown
from pipelines.home import prepare_home
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
    """Start the servers, call `on_ready` when their pages answer, and keep them until a signal; then end them all.

    Raises:
        ConfigError: a port is taken.
        ServiceDown: a server ended, or did not answer in time; the message names its log.
        Interrupted: Ctrl-C or TERM.
    """
    home = prepare_home(settings)
    wanted = pages(settings, port, mlflow_port)
    for page in wanted:
        _check_port(page)
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Its job runner is eight more processes, for things that nothing here asks of it.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "DO_NOT_TRACK": "1",
    }
    logs = settings.home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    running: dict[str, subprocess.Popen[bytes]] = {}
    previous = signal.signal(signal.SIGTERM, _stop)
    try:
        for page in wanted:
            with (logs / f"{page.name}.log").open("wb") as log:
                # A group of its own: Ctrl-C reaches us alone, and we end each server with all its children.
                running[page.name] = subprocess.Popen(
                    page.command, env=environment, stdout=log, stderr=log, start_new_session=True
                )
        _wait_until_ready(wanted, running, logs)
        on_ready(wanted)
        while True:
            _check_alive(running, logs)
            time.sleep(1.0)
    except KeyboardInterrupt:
        raise Interrupted("the web pages have been stopped") from None
    finally:
        signal.signal(signal.SIGTERM, previous)
        end(list(running.values()))


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def end(processes: list[subprocess.Popen[bytes]]) -> None:
    """TERM each process's group, wait, KILL what is left."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                continue
        limit = time.monotonic() + STOP_SECONDS
        for process in processes:
            try:
                process.wait(max(0.1, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                break
        else:
            if number == signal.SIGTERM and not any(_group_alive(process.pid) for process in processes):
                return


def _group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


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


def _wait_until_ready(wanted: list[Page], running: dict[str, subprocess.Popen[bytes]], logs: Path) -> None:
    limit = time.monotonic() + START_SECONDS
    waiting = {page.name: page for page in wanted if page.port}
    while waiting:
        _check_alive(running, logs)
        for name, page in list(waiting.items()):
            with socket.socket() as probe:
                probe.settimeout(1.0)
                if probe.connect_ex((LOOPBACK, page.port)) == 0:
                    del waiting[name]
        if waiting and time.monotonic() > limit:
            name = next(iter(waiting))
            raise ServiceDown(f"no answer within {START_SECONDS:.0f} s", where=name, hint=f"see {logs / name}.log")
        time.sleep(0.2)


def _check_alive(running: dict[str, subprocess.Popen[bytes]], logs: Path) -> None:
    for name, process in running.items():
        if process.poll() is not None:
            hint = f"see {logs / name}.log"
            raise ServiceDown(f"ended with exit code {process.returncode}", where=name, hint=hint)
