"""An MLflow database that is migrated once (7 s) and copied for each test."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resources.settings import Settings, TrackingSettings

CREATE = (
    "import sys; from mlflow.tracking import MlflowClient; MlflowClient(sys.argv[1]).search_experiments(max_results=1)"
)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory, worker_id: str = "master") -> Path:
    """A database with MLflow's tables; processes of pytest-xdist share it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    database = shared / "migrated-mlflow.db"
    with (shared / "migrated-mlflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not database.exists():
            making = database.with_suffix(".making")
            making.unlink(missing_ok=True)
            env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
            subprocess.run([sys.executable, "-c", CREATE, f"sqlite:///{making}"], check=True, env=env)
            making.replace(database)
    return database


@pytest.fixture
def machine(migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a machine of its own, with an empty MLflow."""
    for name in ("MLFLOW_TRACKING_URI", "SATIETY_TRACKING", "SATIETY_HOME", "SATIETY_STORE"):
        monkeypatch.delenv(name, raising=False)
    tracking = TrackingSettings(interval_s=0.2)
    settings = Settings(root=tmp_path, store=tmp_path / "store", home=tmp_path / "home", tracking=tracking)
    settings.mlflow_database.parent.mkdir(parents=True)
    shutil.copy(migrated, settings.mlflow_database)
    return settings


Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def rows(machine: Settings) -> Query:
    """What MLflow's database holds, asked in SQL: an oracle that shares no code with the sender."""

    def ask(query: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(machine.mlflow_database)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    return ask
