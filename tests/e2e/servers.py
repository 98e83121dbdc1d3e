"""Dagster's webserver and daemon on loopback, spoken to by GraphQL, and the processes below them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

from ops.storage import Store
from pipelines.home import prepare_home
from pipelines.ui import WORKSPACE, end
from resources.settings import load_settings

LOCATION = "satiety"
REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": LOCATION}
DONE = ("SUCCESS", "FAILURE", "CANCELED")

T = TypeVar("T")


@dataclass(frozen=True)
class Servers:
    """A running webserver and daemon."""

    url: str
    home: Path
    environment: dict[str, str]
    processes: list[subprocess.Popen[bytes]]

    @property
    def store(self) -> Store:
        """Where the assets lie."""
        return Store(Path(self.environment["SATIETY_STORE"]))

    def ask(self, query: str, **variables: Any) -> Any:
        """The answer to a GraphQL query of one field."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, json.dumps(answer["errors"])[:2000]
        (value,) = answer["data"].values()
        return value


@contextmanager
def servers(folder: Path, recipes: Path, **environment: str) -> Iterator[Servers]:
    """Start both, with the recipes of a folder beside the shipped ones, and end them with all their children."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SATIETY_", "DAGSTER_"))},
        "SATIETY_HOME": str(folder / "home"),
        "SATIETY_STORE": str(folder / "store"),
        "SATIETY_RECIPES": str(recipes),
        "SATIETY_TRACKING": "off",
        "SATIETY_WORKERS": "1",
        "OMP_NUM_THREADS": "1",
        **environment,
    }
    home = prepare_home(load_settings(folder, environment))
    environment["DAGSTER_HOME"] = str(home)
    port = free_port()
    commands = [
        ["-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-w", str(WORKSPACE)],
        ["-m", "dagster._daemon", "run", "-w", str(WORKSPACE)],
    ]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for command, name in zip(commands, ("webserver", "daemon"), strict=True):
            with (folder / f"{name}.log").open("wb") as log:
                started.append(
                    subprocess.Popen(
                        [sys.executable, *command], env=environment, stdout=log, stderr=log, start_new_session=True
                    )
                )
        running = Servers(f"http://127.0.0.1:{port}", home, environment, started)
        until(lambda: _answers(running), 120, "the webserver's answer")
        yield running
    finally:
        end(started)


def _answers(running: Servers) -> bool:
    assert all(process.poll() is None for process in running.processes), "a server ended"
    try:
        with urllib.request.urlopen(f"{running.url}/server_info", timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def until(ask: Callable[[], T], seconds: float, what: str, pause: float = 0.25) -> T:
    """Ask again and again until the answer is true; fails after so many seconds."""
    limit = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < limit, f"waited {seconds:g} s for {what}"
        time.sleep(pause)


def free_port() -> int:
    """A port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tree(pid: int) -> list[psutil.Process]:
    """The living descendants of a process."""
    return psutil.Process(pid).children(recursive=True)
