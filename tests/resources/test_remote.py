"""What a worker must have: the same software and the same store, proved by files that both sides see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ops.errors import ConfigError, SatietyError, StorageError
from ops.storage import Store, gc
from resources import remote
from resources.remote import Answer, call, check_answers, check_worker, need, probing, software, value_of
from tests.resources import clusters


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PATIENCE_S", 0.2)


def test_worker_with_all_it_needs(tmp_path: Path) -> None:
    with probing(tmp_path) as probe:
        name = check_worker(probe)
        check_answers(probe, {"one": name})
        assert probe.folder is not None and (probe.folder / name).read_text() == probe.token
    assert not list((tmp_path / ".staging").iterdir())
    with probing(None) as probe:
        check_answers(probe, {"one": check_worker(probe)})


def test_a_store_that_is_not_shared(tmp_path: Path) -> None:
    with probing(tmp_path / "here") as probe:
        assert probe.folder is not None
        for folder in (tmp_path / "nowhere" / "a" / "b" / "c", tmp_path):
            with pytest.raises(StorageError, match="does not see the store") as caught:
                check_worker(replace(probe, folder=folder))
            assert "SATIETY_STORE" in caught.value.hint and caught.value.where == "engine"
        with pytest.raises(StorageError, match="does not see the store"):
            check_worker(replace(probe, token="of another map"))
        # A copy of the store holds the same token, but what is written there nobody sees.
        with pytest.raises(StorageError, match="two writes another store"):
            check_answers(probe, {"one": check_worker(probe), "two": "worker-elsewhere"})


def test_other_software_is_an_error_that_names_both() -> None:
    with probing(None) as probe, pytest.raises(ConfigError, match=r"polars is .*, not 1\.0") as caught:
        check_worker(replace(probe, software={**probe.software, "polars": "1.0"}))
    assert "numpy" not in caught.value.message
    assert {"python", "polars", "pyarrow", "numpy", "code"} == set(software())


def test_answers_that_are_errors() -> None:
    with probing(None) as probe:
        with pytest.raises(ConfigError, match="worker tcp://a cannot run satiety: ModuleNotFoundError: No module"):
            check_answers(probe, {"tcp://a": ModuleNotFoundError("No module named 'resources'")})
        with pytest.raises(StorageError, match="own"):
            check_answers(probe, {"tcp://a": StorageError("own")})


def test_a_call_answers_with_results_and_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SATIETY_MIRROR", "of the caller")
    with probing(tmp_path) as probe:
        monkeypatch.delenv("SATIETY_MIRROR")
        assert value_of(call(probe, clusters.square, 4, lambda: True))[:2] == (4, 16)
        assert value_of(call(probe, clusters.threads, 4, lambda: True))["SATIETY_MIRROR"] == "of the caller"
        answer = call(probe, clusters.wrong, 2, lambda: True)
        with pytest.raises(SatietyError, match="no header"):
            value_of(answer)
        late = call(replace(probe, token="another"), clusters.square, 4, lambda: True)
        assert not late.done and isinstance(late.value, StorageError)
    assert value_of(Answer(True, None)) is None


def test_what_a_killed_caller_leaves_is_found_by_gc(tmp_path: Path) -> None:
    left = tmp_path / ".staging" / "dead"
    (left / "files").mkdir(parents=True)
    (left / "files" / "token").write_text("x")
    assert left in [removal.path for removal in gc(Store(tmp_path), dry_run=False)] and not left.exists()


def test_a_missing_package_names_the_command() -> None:
    with pytest.raises(ConfigError, match="dask engine needs packages") as caught:
        need("no_such_package", "dask")
    assert caught.value.hint == 'pip install "satiety[dask]"'
