"""What `satiety ui` starts and how it ends it, with programs of a moment in the place of servers; see tests/e2e too."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from ops.errors import ConfigError, ServiceDown
from ops.storage import lock
from pipelines import ui
from pipelines.commands import ui as ui_command
from pipelines.ui import Page, pages, running, serve
from resources.settings import Settings, TrackingSettings, load_settings
from tests.tiny import tiny_recipe

LISTEN = """
import socket, sys, time
with socket.socket() as server:
    server.bind(("127.0.0.1", int(sys.argv[1])))
    server.listen()
    time.sleep(600)
"""
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"])
time.sleep(600)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(tmp_path, {})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_everything_listens_on_loopback(settings: Settings) -> None:
    found = {page.name: page for page in pages(settings, 3001, 5001)}
    assert list(found) == ["dagster", "daemon", "mlflow"]
    for name in ("dagster", "mlflow"):
        assert "127.0.0.1" in found[name].command
        assert "0.0.0.0" not in found[name].command
    assert (found["dagster"].url, found["mlflow"].url) == ("http://127.0.0.1:3001", "http://127.0.0.1:5001")


def test_a_tracking_server_of_the_teams_own_is_not_ours_to_start(settings: Settings) -> None:
    own = dataclasses.replace(settings, tracking=TrackingSettings(uri="https://mlflow.example"))
    assert [page.name for page in pages(own, 3001, 5001)] == ["dagster", "daemon"]


def test_a_taken_port_is_said_before_anything_starts(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"^mlflow: port {port} is taken \(choose another with --mlflow-port\)$"):
            serve(settings, port=free_port(), mlflow_port=port, on_ready=lambda found: None)
    assert not (settings.home / "logs").exists()


def test_servers_that_do_not_want_to_end_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui, "STOP_SECONDS", 0.5)
    wanted = [Page(name, 0, [sys.executable, "-c", STUBBORN]) for name in ("one", "two")]
    with running(wanted, dict(os.environ), tmp_path) as trees:
        limit = time.monotonic() + 10
        family: list[psutil.Process] = []
        while len(family) < 4 and time.monotonic() < limit:
            family = [child for tree in trees.values() for child in psutil.Process(tree.pid).children(recursive=True)]
            time.sleep(0.05)
        assert len(family) == 4
        time.sleep(0.5)
    assert [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []


def test_ctrl_c_ends_it_without_an_error(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    wanted = [Page("dagster", port, [sys.executable, "-c", LISTEN, str(port)])]
    monkeypatch.setattr(ui, "pages", lambda *arguments: wanted)
    monkeypatch.setattr(ui, "prepare_home", lambda settings: settings.home)
    ready: list[list[Page]] = []

    def on_ready(found: list[Page]) -> None:
        ready.append(found)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

    before = signal.getsignal(signal.SIGTERM)
    serve(settings, on_ready=on_ready)
    assert ready == [wanted]
    assert signal.getsignal(signal.SIGTERM) is before


def test_nobody_else_makes_mlflows_database_while_the_servers_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = settings.mlflow_database.parent / "create.lock"
    free: list[bool] = []

    def look(*arguments: object) -> None:
        with lock.try_hold(path) as mine:
            free.append(mine)

    def on_ready(found: list[Page]) -> None:
        look()
        raise KeyboardInterrupt

    monkeypatch.setattr(ui, "pages", lambda *arguments: [])
    monkeypatch.setattr(ui, "prepare_home", lambda settings: settings.home)
    monkeypatch.setattr(ui, "_wait_until_ready", look)
    serve(settings, on_ready=on_ready)
    assert free == [False, True]


def test_a_server_that_ends_by_itself_ends_all_and_names_its_log(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [
        Page("daemon", 0, [sys.executable, "-c", "import time; time.sleep(600)"]),
        Page("dagster", free_port(), [sys.executable, "-c", "raise SystemExit(3)"]),
    ]
    monkeypatch.setattr(ui, "pages", lambda *arguments: wanted)
    monkeypatch.setattr(ui, "prepare_home", lambda settings: settings.home)
    log = settings.home / "logs" / "dagster.log"
    with pytest.raises(ServiceDown, match=rf"^dagster: ended with exit code 3 \(see {log}\)$"):
        serve(settings, on_ready=lambda found: None)


def test_two_pages_cannot_have_one_port(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="two pages cannot have port 3001"):
        serve(settings, port=3001, mlflow_port=3001, on_ready=lambda pages: None)


def test_trainings_from_the_page_are_told_of_no_server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the default database's address they would write MLflow's files into the working folder."""
    given: list[dict[str, str]] = []

    def running_nothing(pages: object, environment: dict[str, str], logs: Path) -> object:
        given.append(environment)
        raise ServiceDown("enough")

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(ui, "prepare_home", lambda settings: settings.home)
    monkeypatch.setattr(ui, "running", running_nothing)
    with pytest.raises(ServiceDown, match="enough"):
        serve(settings, port=free_port(), mlflow_port=free_port(), on_ready=lambda pages: None)
    assert len(given) == 1 and "MLFLOW_TRACKING_URI" not in given[0]


def test_recipes_that_cannot_be_shown_are_not_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_recipe(tmp_path, name="sound")
    (tmp_path / "broken.yaml").write_text("name: another\n")
    monkeypatch.setenv("SATIETY_RECIPES", str(tmp_path))
    monkeypatch.setenv("SATIETY_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(ui, "serve", lambda settings, *, port, mlflow_port, on_ready: on_ready([]))
    ui_command.ui(port=None, mlflow_port=None)
    said = capsys.readouterr().err
    assert "broken.yaml is wrong, none of its assets can be shown" in said
    listed = next(line for line in said.splitlines() if line.startswith("recipes"))
    assert "sound" in listed and "broken" not in listed
