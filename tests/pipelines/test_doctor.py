"""The doctor: each planted fault is found, with a fix; a healthy machine is left in peace."""

from __future__ import annotations

import importlib.metadata
import shlex
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines import doctor
from pipelines.doctor import Finding
from resources.settings import EngineSettings, PageSettings, Settings, TrackingSettings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(root=tmp_path, store=tmp_path / "store", home=tmp_path / "home")


def is_found(finding: Finding, status: str, *words: str) -> None:
    assert finding.status == status, finding
    assert finding.fix, "a finding without a fix"
    assert all(word in f"{finding.detail} {finding.fix}" for word in words), finding


def test_this_environment_has_the_tested_packages() -> None:
    assert doctor.packages().status == "ok"
    assert doctor.python().status == "ok"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("antlr4-python3-runtime", "4.9.3"),
        ("typer", "0.26.1"),
        ("torch", "2.12.0+cpu"),
        ("pyarrow", "26.0.1"),
        ("dvc", None),
    ],
)
def test_wrong_versions_are_found(monkeypatch: pytest.MonkeyPatch, name: str, found: str | None) -> None:
    real = importlib.metadata.version

    def version(wanted: str) -> str:
        if wanted != name:
            return real(wanted)
        if found is None:
            raise importlib.metadata.PackageNotFoundError(wanted)
        return found

    monkeypatch.setattr(doctor, "version", version)
    finding = doctor.packages()
    is_found(finding, "fail", name, found or "missing")
    assert any(word.startswith(name) for word in shlex.split(finding.fix)), "the fix installs it"


def test_a_switched_off_safety_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.weights_only().status == "ok"
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    is_found(doctor.weights_only(), "fail", "unset TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")


def test_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert doctor.variables().status == "ok"
    monkeypatch.setenv("SATIETY_STOR", "x")
    is_found(doctor.variables(), "warn", "SATIETY_STOR", "SATIETY_STORE")
    monkeypatch.delenv("SATIETY_STOR")
    monkeypatch.setenv("SATIETY_RECIPES", str(tmp_path / "none"))
    is_found(doctor.variables(), "fail", "none")
    monkeypatch.setenv("SATIETY_RECIPES", str(tmp_path))
    monkeypatch.setenv("SATIETY_FAULT", "kill@7")
    is_found(doctor.variables(), "warn", "SATIETY_FAULT")


def test_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4096")
    is_found(doctor.threads(), "warn", "4096")
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    is_found(doctor.threads(), "warn", "many")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert doctor.threads().status == "ok"


def test_modules_that_hide_packages(tmp_path: Path) -> None:
    (tmp_path / "notes.py").touch()
    (tmp_path / "ops").mkdir()
    (tmp_path / "ops" / "__init__.py").touch()
    assert doctor.shadows(tmp_path).status == "ok"
    (tmp_path / "yaml.py").touch()
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "__init__.py").touch()
    is_found(doctor.shadows(tmp_path), "fail", "yaml.py", "json", "rename")


def test_disk(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, status in ((10**8, "fail"), (10**9, "warn"), (10**11, "ok")):
        monkeypatch.setattr("shutil.disk_usage", lambda path, free=free: type("U", (), {"free": free})())
        assert doctor.disk(settings).status == status


def test_store(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.store(settings).status == "ok"
    assert not list(settings.root.iterdir()), "nothing is left behind"
    settings.store.touch()
    is_found(doctor.store(settings), "fail", "SATIETY_STORE")
    settings.store.unlink()

    def refuse(self: Path, target: Path) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    is_found(doctor.store(settings), "warn", "hard links")


def test_dagster_home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)  # a run in this process sets it
    assert doctor.dagster_home(settings).status == "ok"
    home = settings.dagster_home
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("run_queue:\n  max_concurrent_runs: 1\nconcurrency:\n  pools: {}\n")
    is_found(doctor.dagster_home(settings), "fail", "run_queue")
    monkeypatch.setenv("DAGSTER_HOME", "/elsewhere")
    is_found(doctor.dagster_home(settings), "warn", "/elsewhere")


def test_ports(settings: Settings) -> None:
    with socket.socket() as taken, socket.socket() as other:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        other.bind(("127.0.0.1", 0))
        free = other.getsockname()[1]
        other.close()
        port = taken.getsockname()[1]
        used = Settings(
            settings.root, settings.store, settings.home, pages=PageSettings(dagster_port=port, mlflow_port=free)
        )
        is_found(doctor.ports(used), "warn", str(port))


def test_the_tracking_server(settings: Settings) -> None:
    assert doctor.tracking(settings).detail == "not needed"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        uri = f"http://user:secret@127.0.0.1:{port}"
        away = Settings(settings.root, settings.store, settings.home, tracking=TrackingSettings(uri=uri))
        finding = doctor.tracking(away)
        is_found(finding, "warn", "satiety sync")
        assert "secret" not in str(finding)


def test_recipes(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.yaml").write_text("name: broken\n")
    monkeypatch.setenv("SATIETY_RECIPES", str(tmp_path))
    is_found(doctor.recipe_files(settings), "fail", "broken.yaml:1:1")


def test_wrong_settings_do_not_stop_the_other_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").write_text("stor: x\n")
    monkeypatch.chdir(tmp_path)
    findings = {finding.name: finding for finding in doctor.examine()}
    assert findings["settings"].status == "fail"
    assert "packages" in findings


def test_processes_that_fail_are_findings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_try", lambda code: "TypeError: ord() expected string of length 1")
    is_found(doctor.selection(settings), "fail", "antlr4-python3-runtime==4.13.2", "omegaconf==2.4.1rc1")
    is_found(doctor.augmentation(settings), "fail", "albumentations==2.0.8")


def test_the_engine(settings: Settings) -> None:
    assert doctor.engine(settings).status == "ok" and "processes" in doctor.engine(settings).detail
    assert not settings.store.exists(), "looking makes nothing"
    cluster = replace(settings, engine=EngineSettings(kind="ray"))
    is_found(doctor.engine(cluster), "fail", "ray", "no address", "SATIETY_ENGINE_ADDRESS")


@pytest.mark.slow
def test_an_engine_that_does_not_answer(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("resources.engine_dask.CONNECT_S", 1.0)
    cluster = replace(settings, engine=EngineSettings(kind="dask", address="tcp://127.0.0.1:9"))
    is_found(doctor.engine(cluster), "fail", "no Dask scheduler answers at tcp://127.0.0.1:9", "dask scheduler")


def test_code_is_tried_in_a_process_of_its_own() -> None:
    assert doctor._try("import ops.errors") == ""
    assert doctor._try("import none_such") == "ModuleNotFoundError: No module named 'none_such'"


@pytest.mark.slow
def test_selection_and_augmentation_work_here(settings: Settings) -> None:
    assert doctor.selection(settings).status == "ok"
    assert doctor.augmentation(settings).status == "ok"
