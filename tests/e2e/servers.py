"""Dagster's webserver and daemon on loopback, spoken to by GraphQL, and the processes below them."""

from __future__ import annotations

import json
import os
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

from ops.storage import Store
from pipelines.home import prepare_home
from pipelines.ui import pages, running
from resources.processes import OwnedTree
from resources.settings import load_settings
from tests.tiny import PARTITIONS

REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "satiety"}
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
RANGE = {"dagster/asset_partition_range_start": "0", "dagster/asset_partition_range_end": str(PARTITIONS - 1)}
"""Tags of one run over all partitions of a tiny recipe: what the page's "single run" sends."""

LAUNCH = """mutation ($parameters: ExecutionParams!) { launchPipelineExecution(executionParams: $parameters) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RUN = """query ($run: ID!) { runOrError(runId: $run) { ... on Run {
  status tags { key value } stepStats { stepKey status } } } }"""
BACKFILL = """mutation ($parameters: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $parameters) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
TERMINATE = "mutation ($run: String!) { terminateRun(runId: $run) { __typename } }"

T = TypeVar("T")


@dataclass(frozen=True)
class Servers:
    """A running webserver and daemon."""

    url: str
    home: Path
    environment: dict[str, str]
    trees: dict[str, OwnedTree]

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

    def launch(self, job: str, tags: dict[str, str] | None = None, assets: Sequence[str] | None = None) -> str:
        """Start a job, or only some of its assets, as the page does; returns the run's id."""
        selector: dict[str, Any] = {**REPOSITORY, "pipelineName": job}
        if assets is not None:
            selector |= {"assetSelection": [{"path": key.split("/")} for key in assets], "assetCheckSelection": None}
        metadata = {"tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]}
        parameters = {"selector": selector, "mode": "default", "runConfigData": {}, "executionMetadata": metadata}
        answer = self.ask(LAUNCH, parameters=parameters)
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def run(self, run: str) -> dict[str, Any]:
        """Status, tags and steps of a run."""
        return dict(self.ask(RUN, run=run))

    def ended(self, run: str, seconds: float = 240) -> dict[str, Any]:
        """The run as it is when it has ended."""

        def look() -> dict[str, Any] | None:
            found = self.run(run)
            return found if found["status"] in ENDED else None

        return until(look, seconds, f"the end of run {run}")

    def backfill(self, assets: Sequence[str], partitions: Sequence[str]) -> str:
        """Start a backfill as the page does; returns its id."""
        selection = [{"path": key.split("/")} for key in assets]
        parameters = {"assetSelection": selection, "partitionNames": list(partitions), "tags": []}
        answer = self.ask(BACKFILL, parameters=parameters)
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return str(answer["backfillId"])

    def terminate(self, run: str) -> None:
        """Press the page's "Terminate"."""
        assert self.ask(TERMINATE, run=run)["__typename"] == "TerminateRunSuccess"


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
    wanted = pages(load_settings(folder, environment), port, free_port())
    with running([page for page in wanted if page.name != "mlflow"], environment, folder) as trees:
        found = Servers(f"http://127.0.0.1:{port}", home, environment, trees)
        until(lambda: _answers(found), 120, "the webserver's answer")
        yield found


def _answers(servers: Servers) -> bool:
    assert all(tree.poll() is None for tree in servers.trees.values()), "a server ended"
    try:
        with urllib.request.urlopen(f"{servers.url}/server_info", timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def until(ask: Callable[[], T | None], seconds: float, what: str, pause: float = 0.25) -> T:
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


def processes_with(text: str) -> list[psutil.Process]:
    """The living processes whose command line has the text, such as the folder that they work in."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if text in " ".join(process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found
