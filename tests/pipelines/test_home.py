from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ops.errors import StorageError
from pipelines.home import SHIPPED, prepare_home
from resources.settings import load_settings

OPEN = """
import sys
from pathlib import Path
import dagster as dg
from pipelines.home import prepare_home
from resources.settings import load_settings
home = prepare_home(load_settings(Path(sys.argv[1]), {}))
with dg.DagsterInstance.from_config(str(home)) as instance:
    print(len(instance.get_run_records()), instance.telemetry_enabled)
"""


def test_three_processes_may_open_a_new_home_at_once(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, str(tmp_path)],
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in started:
        said, problems = process.communicate(timeout=60)
        assert (process.returncode, said.strip()) == (0, "0 False"), problems


def test_a_dagster_yaml_of_the_teams_own_stays(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {})
    settings.dagster_home.mkdir(parents=True)
    own = settings.dagster_home / "dagster.yaml"
    own.write_text("telemetry:\n  enabled: false\n")
    prepare_home(settings)
    assert own.read_text() == "telemetry:\n  enabled: false\n"


def test_a_second_call_changes_nothing(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {})
    home = prepare_home(settings)
    (home / "dagster.yaml").unlink()
    (home / "dagster.yaml").write_text("nux:\n  enabled: false\n")
    assert prepare_home(settings) == home
    assert (home / "dagster.yaml").read_text() == "nux:\n  enabled: false\n"


def test_the_shipped_settings_say_nothing_home_and_watch_over_runs() -> None:
    shipped = yaml.safe_load(SHIPPED.read_text())
    assert shipped["telemetry"] == {"enabled": False}
    assert shipped["nux"] == {"enabled": False}
    assert shipped["run_monitoring"]["enabled"]
    assert shipped["run_retries"]["enabled"]
    assert shipped["concurrency"]["pools"]["default_limit"] == 1


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {})
    settings.home.parent.mkdir(parents=True, exist_ok=True)
    settings.home.touch()
    with pytest.raises(StorageError, match=r"Dagster's home folder cannot be made: .*SATIETY_HOME"):
        prepare_home(settings)


def test_a_home_that_may_not_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(tmp_path, {})
    prepare_home(settings)

    def refused(path: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr("pipelines.home.FileLock", refused)
    with pytest.raises(StorageError, match=r"cannot be written: Permission denied \(.*SATIETY_HOME") as caught:
        prepare_home(settings)
    assert caught.value.where == str(settings.dagster_home)
