from __future__ import annotations

import dataclasses
import re
import signal
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ops.errors import CheckFailed, ConfigError, DiskFull, SatietyError, StorageError
from ops.recipe import Recipe
from ops.storage import Store
from pipelines.build import recipe_definitions, shared_definitions
from pipelines.execute import execute
from pipelines.jobs import jobs
from pipelines.recipe import load_file
from resources.progress import Event
from resources.settings import EngineSettings, Settings, TrackingSettings, load_settings
from tests.tiny import DATA, tiny_recipe, write_rows


class Folder:
    """A tiny recipe with a store and a home of its own, nothing tracked."""

    def __init__(self, folder: Path, **overrides: Any) -> None:
        self.path = folder
        self.recipe: Recipe = load_file(tiny_recipe(folder, **overrides))
        settings = load_settings(folder, {})
        self.settings: Settings = dataclasses.replace(
            settings, engine=EngineSettings(workers=1), tracking=TrackingSettings(enabled=False)
        )

    def runs(self) -> list[dg.DagsterRun]:
        """The runs that Dagster remembers, newest first."""
        with dg.DagsterInstance.from_config(str(self.settings.dagster_home)) as instance:
            return list(instance.get_runs())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A store in which the tests below build one after another."""
    return Folder(tmp_path_factory.mktemp("execute"))


def test_partitions_that_are_no_neighbours_take_a_run_each(folder: Folder) -> None:
    done = execute(folder.recipe, stages=["raw_corpus"], partitions=["0", "2"], settings=folder.settings)
    assert (done.built, done.reused) == (["raw_corpus[0]", "raw_corpus[2]"], [])
    newest, older = folder.runs()
    assert newest.run_id == done.run_id
    ranges = [run.tags["dagster/asset_partition_range_start"] for run in (older, newest)]
    assert ranges == ["0", "2"]
    assert {run.status for run in (newest, older)} == {dg.DagsterRunStatus.SUCCESS}


def test_a_stage_without_its_inputs_raises_the_stages_own_error(folder: Folder) -> None:
    with pytest.raises(SatietyError, match=r"raw_corpus\[1\] has not been built"):
        execute(folder.recipe, stages=["signatures"], settings=folder.settings)
    assert folder.runs()[0].status == dg.DagsterRunStatus.FAILURE


def test_the_whole_chain_builds_what_is_missing_and_says_so_as_it_goes(folder: Folder) -> None:
    events: list[Event] = []
    done = execute(folder.recipe, stages=list(DATA), settings=folder.settings, on_event=events.append)
    # The test before got as far as the first signatures.
    assert done.reused == ["raw_corpus[0]", "raw_corpus[2]", "signatures[0]"]
    assert "raw_corpus[1]" in done.built
    assert {name.split("[")[0] for name in done.built} == set(DATA)
    begun = [event.stage for event in events if event.what == "stage"]
    assert begun == list(DATA)
    shown = [f"{event.stage}[{event.data['key']}]" for event in events if event.what == "partition"]
    assert sorted(shown) == sorted([*done.built, *done.reused])


def test_a_file_that_comes_in_the_middle_is_for_the_next_run(tmp_path: Path) -> None:
    """Its partition was not there when the run began: the folds do not look for it."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    write_rows(inbox / "first.csv")
    folder = Folder(tmp_path, source={"path": "inbox/*.csv"}, partitions={"by": "file", "hash": None})

    def more(event: Event) -> None:
        if (event.what, event.stage) == ("partition", "raw_corpus"):
            write_rows(inbox / "second.csv", seed=1)

    done = execute(folder.recipe, stages=list(DATA), settings=folder.settings, on_event=more)
    assert "raw_corpus[inbox/first.csv]" in done.built and not any("second" in name for name in done.built)
    assert folder.recipe.partition_keys() == ["inbox/first.csv", "inbox/second.csv"]
    done = execute(folder.recipe, stages=list(DATA), settings=folder.settings)
    assert "token_cache[inbox/second.csv]" in done.built and "raw_corpus[inbox/first.csv]" in done.reused


def test_a_run_of_the_pages_is_of_the_files_that_it_was_asked_for(tmp_path: Path) -> None:
    """Files come before the run's process begins: behind those it was asked for, in front of them and among them."""
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for name in ("b", "d"):
        write_rows(inbox / f"{name}.csv", seed=ord(name))
    folder = Folder(tmp_path, source={"path": "inbox/*.csv"}, partitions={"by": "file", "hash": None})
    tags = jobs(folder.recipe).all_partitions
    for name in ("a", "c", "e"):
        write_rows(inbox / f"{name}.csv", seed=ord(name))
    recipe = load_file(tmp_path / "tiny.yaml")
    made = dg.Definitions.merge(recipe_definitions(recipe, folder.settings), shared_definitions(folder.settings))
    job = made.resolve_job_def("tiny_data")
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance, tags=tags).success
    store = Store(folder.settings.store)
    built = [key for key in recipe.partition_keys() if store.slot("tiny", "token_cache", key).current() is not None]
    assert built == ["inbox/b.csv", "inbox/c.csv", "inbox/d.csv"]
    (inbox / "b.csv").unlink()
    made = dg.Definitions.merge(
        recipe_definitions(load_file(tmp_path / "tiny.yaml"), folder.settings), shared_definitions(folder.settings)
    )
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(Exception, match=r"b\.csv"):
        made.resolve_job_def("tiny_data").execute_in_process(instance=instance, tags=tags)


def test_a_second_run_builds_nothing(folder: Folder) -> None:
    done = execute(folder.recipe, stages=list(DATA), settings=folder.settings)
    assert done.built == []
    assert len(done.reused) == 5 * 3 + 3, "five stages of three partitions, and three folds"


def test_an_unknown_partition_is_refused_before_anything_runs(folder: Folder) -> None:
    runs = len(folder.runs())
    with pytest.raises(ConfigError, match=r"tiny has no partition '7' \(it has 0, 1, 2\)"):
        execute(folder.recipe, partitions=["7"], settings=folder.settings)
    assert len(folder.runs()) == runs


def test_a_failed_check_stops_the_chain_and_names_itself(tmp_path: Path) -> None:
    # A learning rate of nothing: the model stays as it was drawn and always says the same.
    folder = Folder(tmp_path, training={"steps": 1, "learning_rate": 1e-9})
    with pytest.raises(CheckFailed, match="the check better_than_majority did not pass: ") as caught:
        execute(folder.recipe, settings=folder.settings)
    assert re.search(r"valid_accuracy 0\.\d{1,6}(,|$)", str(caught.value).splitlines()[0]) is not None
    assert caught.value.where == "tiny/model"
    assert caught.value.exit_code == 4
    assert not (folder.settings.store / "tiny" / "report").exists()


def test_an_error_that_nobody_foresaw_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster's causes go in circles around it."""
    folder = Folder(tmp_path)

    def planted(*arguments: Any) -> None:
        raise ValueError("planted")

    monkeypatch.setattr("resources.workspace.build_partition", planted)
    with pytest.raises(Exception, match="planted"):
        execute(folder.recipe, stages=["raw_corpus"], settings=folder.settings)
    assert [run.status for run in folder.runs()] == [dg.DagsterRunStatus.FAILURE]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("where", ["in a step", "while an event is written"])
def test_a_run_that_ctrl_c_ended_is_canceled_not_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    folder = Folder(tmp_path)
    events: list[str] = []
    store = dg.DagsterInstance.handle_new_event

    def ended(*arguments: Any) -> None:
        signal.raise_signal(signal.SIGINT)

    def kept(instance: dg.DagsterInstance, event: Any, *arguments: Any, **options: Any) -> None:
        store(instance, event, *arguments, **options)
        if event.dagster_event is not None:
            events.append(event.dagster_event.event_type_value)
            if where != "in a step" and events.count("STEP_SUCCESS") == 1 and events[-1] == "STEP_SUCCESS":
                signal.raise_signal(signal.SIGINT)

    if where == "in a step":
        monkeypatch.setattr("resources.workspace.build_partition", ended)
    monkeypatch.setattr(dg.DagsterInstance, "handle_new_event", kept)
    with pytest.raises(KeyboardInterrupt):
        execute(folder.recipe, stages=["raw_corpus", "signatures"], settings=folder.settings)
    assert [run.status for run in folder.runs()] == [dg.DagsterRunStatus.CANCELED]
    assert "PIPELINE_FAILURE" not in events, "nobody is alarmed"
    monkeypatch.undo()
    done = execute(folder.recipe, stages=["raw_corpus"], settings=folder.settings)
    assert len(done.built) == (3 if where == "in a step" else 0), "the next one goes on from there"
    assert folder.runs()[0].status == dg.DagsterRunStatus.SUCCESS


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("(sqlite3.OperationalError) attempt to write a readonly database", "SATIETY_HOME"),
        ("(sqlite3.OperationalError) disk I/O error", "ulimit -f"),
    ],
)
def test_databases_that_cannot_be_written_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, hint: str
) -> None:
    folder = Folder(tmp_path)
    folder.settings.home.mkdir(parents=True, exist_ok=True)

    def planted(*arguments: Any) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr("pipelines.execute._execute", planted)
    with pytest.raises(StorageError, match=hint) as caught:
        execute(folder.recipe, settings=folder.settings)
    assert not isinstance(caught.value, DiskFull) and caught.value.exit_code == 74


def test_a_job_launched_without_partitions_says_what_to_do(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    made = dg.Definitions.merge(recipe_definitions(folder.recipe, folder.settings), shared_definitions(folder.settings))
    with dg.DagsterInstance.ephemeral() as instance:
        done = made.resolve_job_def("tiny_data").execute_in_process(instance=instance, raise_on_error=False)
        failures = [event.step_failure_data for event in done.all_events if event.is_step_failure]
    assert not done.success
    assert "the run names no partitions (choose partitions, or all of them" in str(failures[0].user_failure_data)
