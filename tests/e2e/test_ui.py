"""`satiety ui`: three servers on loopback that start together and end together."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.servers import free_port

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


class Ui:
    """A `satiety ui` as a process, with its standard output as it comes."""

    def __init__(self, home: Path, *, mlflow: bool) -> None:
        self.ports = (free_port(), free_port())
        environment = {**os.environ, "SATIETY_HOME": str(home), "SATIETY_STORE": str(home / "store")}
        if not mlflow:
            # A server of the team's own is not ours to start.
            environment["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:1"
        options = ["--json", "--port", str(self.ports[0]), "--mlflow-port", str(self.ports[1])]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", "ui", *options],
            env=environment,
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def pages(self) -> dict[str, str]:
        """The pages' addresses, as soon as they answer."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.rstrip() == "}":
                return dict(json.loads("".join(lines)))
        raise AssertionError(self.process.communicate()[1])

    def children(self) -> list[psutil.Process]:
        """Everything that it has started."""
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ui, Ui]]:
    """Two of them started at the same moment on one new home."""
    home = tmp_path_factory.mktemp("home")
    found = (Ui(home, mlflow=True), Ui(home, mlflow=False))
    yield found
    for ui in found:
        if ui.process.poll() is None:
            ui.process.send_signal(signal.SIGTERM)
        ui.process.communicate(timeout=60)


def test_two_started_at_once_on_a_new_home_both_answer(both: tuple[Ui, Ui]) -> None:
    first, second = both
    pages = first.pages()
    assert list(pages) == ["dagster", "mlflow"]
    assert list(pages.values()) == [f"http://127.0.0.1:{port}" for port in first.ports]
    assert second.pages() == {"dagster": f"http://127.0.0.1:{second.ports[0]}"}
    for ui in both:
        with urllib.request.urlopen(f"http://127.0.0.1:{ui.ports[0]}/server_info", timeout=30) as answer:
            assert "dagster_webserver_version" in json.load(answer)
    with urllib.request.urlopen(f"http://127.0.0.1:{first.ports[1]}/", timeout=30) as answer:
        assert "MLflow" in answer.read().decode()


def test_they_listen_on_loopback_only(both: tuple[Ui, Ui]) -> None:
    for process in both[0].children():
        for connection in process.net_connections(kind="inet"):
            if connection.status == psutil.CONN_LISTEN:
                assert connection.laddr.ip in ("127.0.0.1", "::1"), (process.cmdline(), connection.laddr)


def test_ctrl_c_ends_all_and_is_no_error(both: tuple[Ui, Ui]) -> None:
    ui = both[0]
    children = ui.children()
    assert len(children) >= 6, "three servers, each below its guard"
    ui.process.send_signal(signal.SIGINT)
    _, said = ui.process.communicate(timeout=60)
    assert (ui.process.returncode, "error" in said) == (0, False), said
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive


def test_killed_it_takes_its_servers_with_it(both: tuple[Ui, Ui]) -> None:
    ui = both[1]
    children = ui.children()
    assert children
    ui.process.kill()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        command = [sys.executable, "-m", "pipelines.cli", "ui", "--port", str(port)]
        environment = {**os.environ, "SATIETY_HOME": str(tmp_path)}
        root = Path(__file__).parents[2]
        done = subprocess.run(
            command, env=environment, cwd=root, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert line == f"error: dagster: port {port} is taken (choose another with --port)"
