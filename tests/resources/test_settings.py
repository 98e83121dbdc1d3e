from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ops.config import describe
from ops.errors import ConfigError, StorageError
from resources.engine import LocalEngine, open_engine
from resources.settings import (
    EngineSettings,
    PageSettings,
    Params,
    Settings,
    TrackingSettings,
    load_settings,
    read_params,
)
from resources.store import open_store

ROOT = Path(__file__).parents[2]


def params(folder: Path, text: str) -> Path:
    (folder / "params.yaml").write_text(text)
    return folder


def test_nothing_said_is_the_working_folder_and_defaults(tmp_path: Path) -> None:
    settings = load_settings(tmp_path, {})
    assert (settings.root, settings.store, settings.home) == (tmp_path, tmp_path / "store", tmp_path / ".satiety")
    assert settings.dagster_home == tmp_path / ".satiety" / "dagster"
    assert settings.tracking_uri == f"sqlite:///{tmp_path}/.satiety/mlflow/mlflow.db"


def test_file_is_found_from_below_and_paths_are_relative_to_it(tmp_path: Path) -> None:
    params(tmp_path, "store: data/store\nhome: /var/satiety\nengine: {workers: 3}\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    settings = load_settings(below, {})
    assert settings.root == tmp_path
    assert settings.store == tmp_path / "data" / "store"
    assert settings.home == Path("/var/satiety")
    assert settings.engine.workers == 3


def test_variables_come_first_and_are_relative_to_the_working_folder(tmp_path: Path) -> None:
    params(tmp_path, "store: one\nengine: {workers: 3}\ntracking: {enabled: true, uri: null}\n")
    here = tmp_path / "here"
    here.mkdir()
    env = {
        "SATIETY_STORE": "../two",
        "SATIETY_HOME": str(tmp_path / "three"),
        "SATIETY_WORKERS": "1",
        "SATIETY_TRACKING": "off",
        "MLFLOW_TRACKING_URI": "http://host:5000",
    }
    settings = load_settings(here, env)
    assert settings.store == tmp_path / "two"
    assert settings.home == tmp_path / "three"
    assert settings.engine.workers == 1
    assert not settings.tracking.enabled
    assert settings.tracking_uri == "http://host:5000"
    assert load_settings(here, dict.fromkeys(env, "")).store == tmp_path / "one"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stor: x", "stor: there is no such key; the nearest is 'store'"),
        ("engine: {worker: 2}", "engine.worker: there is no such key; the nearest is 'workers'"),
        ("engine: {workers: '2'}", "engine.workers: Input should be a valid integer"),
        ("engine: {kind: spark}", "engine.kind: Input should be 'local', 'dask' or 'ray'"),
        ("tracking: {interval_s: 0}", "tracking.interval_s: Input should be greater than 0"),
        ("pages: {dagster_port: 70000}", "pages.dagster_port"),
        ("store: x\nstore: y", ":2:1: key 'store' is there twice"),
        ("store: [", "params.yaml:1:9"),
        ("- store", "the file: Input should be"),
        ("store: !!python/object/apply:os.system ['true']", "could not determine a constructor"),
        ("tracking: {uri: ./mlruns}", "tracking.uri: cannot use this address"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(params(tmp_path, text), {})
    assert said in str(caught.value)
    assert "params.yaml" in str(caught.value)


def test_all_problems_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(params(tmp_path, "stor: x\nengine: {workers: -1}\n"), {})
    assert "stor:" in str(caught.value) and "engine.workers:" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SATIETY_WORKERS", "two"),
        ("SATIETY_WORKERS", "-1"),
        ("SATIETY_TRACKING", "no"),
        ("MLFLOW_TRACKING_URI", "file:///x"),
    ],
)
def test_variables_that_are_wrong_are_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path, {name: value})
    assert name in str(caught.value)


def test_shipped_file_says_the_defaults_and_comments_every_key() -> None:
    path = ROOT / "params.yaml"
    assert read_params(path) == Params()
    lines = path.read_text().splitlines()
    keys = [number for number, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]
    for number in keys:
        has_comment = lines[number - 1].lstrip().startswith("#")
        opens_section = lines[number].rstrip().endswith(":")
        assert has_comment or opens_section, lines[number]
    assert yaml.safe_load(path.read_text()) == Params().model_dump()


def test_every_key_is_described() -> None:
    models = (Params, EngineSettings, TrackingSettings, PageSettings)
    describe(*models)
    assert [name for model in models for name, field in model.model_fields.items() if not field.description] == []


def test_store_is_made_and_a_file_in_its_place_is_an_error(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, store=tmp_path / "a" / "store", home=tmp_path)
    open_store(settings)
    assert (tmp_path / "a" / "store").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="SATIETY_STORE"):
        open_store(Settings(root=tmp_path, store=tmp_path / "file", home=tmp_path))


def test_engines() -> None:
    engine = open_engine(EngineSettings(workers=3))
    assert isinstance(engine, LocalEngine) and engine.workers == 3 and "3 processes" in engine.check()
    for kind in ("dask", "ray"):
        with pytest.raises(ConfigError, match=f"{kind} engine has no address"):
            open_engine(EngineSettings.model_validate({"kind": kind}))


def test_the_engine_from_the_environment(tmp_path: Path) -> None:
    params(tmp_path, "engine: {kind: local, address: 'tcp://file:1', workers: 2}\n")
    env = {"SATIETY_ENGINE": "dask", "SATIETY_ENGINE_ADDRESS": "tcp://there:8786", "SATIETY_WORKERS": "5"}
    assert load_settings(tmp_path, env).engine == EngineSettings(kind="dask", address="tcp://there:8786", workers=5)
    assert load_settings(tmp_path, {}).engine == EngineSettings(address="tcp://file:1", workers=2)
    with pytest.raises(ConfigError, match="no engine: 'spark'") as caught:
        load_settings(tmp_path, {"SATIETY_ENGINE": "spark"})
    assert caught.value.hint == "one of local, dask, ray"
