from __future__ import annotations

import datetime
from pathlib import Path

import dagster as dg
import pytest

from ops.stages.chain import DATA_STAGES, stages
from ops.stages.run import build_stage, partitions_of, wanted
from ops.stages.spec import ALL
from ops.storage import Output, Store
from pipelines.jobs import jobs
from pipelines.recipe import load_file
from pipelines.schedules import schedules
from tests.tiny import tiny_recipe, write_rows

SUNDAY = datetime.datetime(2026, 11, 22, 4, tzinfo=datetime.UTC)


class Scheduled:
    """A tiny recipe, its store and its two schedules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recipe = load_file(tiny_recipe(folder))
        self.store = Store(folder / "store")
        made = schedules(self.recipe, jobs(self.recipe), lambda: self.store)
        self.schedules = {schedule.name: schedule for schedule in made}

    def tick(self, name: str) -> tuple[list[dg.RunRequest], str]:
        """What a tick asks for, and what it says instead."""
        context = dg.build_schedule_context(scheduled_execution_time=SUNDAY)
        done = self.schedules[f"tiny_{name}"].evaluate_tick(context)
        return list(done.run_requests or ()), done.skip_message or ""

    def build_data(self) -> None:
        """Build the data half without Dagster."""
        for stage in stages(self.recipe):
            for partition in partitions_of(stage, self.recipe):
                if stage.name in DATA_STAGES:
                    build_stage(stage, self.recipe, partition, self.store)

    def pretend_training(self) -> None:
        """Commit versions of model and report that hold nothing but have the fingerprints of the real ones."""

        def write(output: Output) -> None:
            output.json("nothing.json", {})

        for stage in stages(self.recipe):
            if stage.name not in DATA_STAGES:
                goal = wanted(stage, self.recipe, ALL, self.store)
                self.store.slot("tiny", stage.name).commit(goal.fingerprint, dict(goal.ingredients), write)


@pytest.fixture(scope="module")
def scheduled(tmp_path_factory: pytest.TempPathFactory) -> Scheduled:
    """The tests below go through the life of a recipe in their order."""
    return Scheduled(tmp_path_factory.mktemp("scheduled"))


def test_they_run_at_the_recipes_times_and_start_switched_off(tmp_path: Path) -> None:
    recipe = load_file(tiny_recipe(tmp_path, automation={"data": "5 1 * * *"}))
    found = schedules(recipe, jobs(recipe), lambda: Store(tmp_path))
    assert {schedule.name: schedule.cron_schedule for schedule in found} == {
        "tiny_nightly_data": "5 1 * * *",
        "tiny_weekly_training": "0 4 * * 0",
    }
    assert {schedule.default_status for schedule in found} == {dg.DefaultScheduleStatus.STOPPED}
    assert [schedule.job_name for schedule in found] == ["tiny_data", "tiny_training"]


def test_before_anything_is_built_data_run_and_training_waits(scheduled: Scheduled) -> None:
    (request,), _ = scheduled.tick("nightly_data")
    assert request.tags["satiety/reason"] == "raw_corpus[0]: never built"
    assert request.tags["dagster/asset_partition_range_start"] == "0"
    assert request.tags["dagster/asset_partition_range_end"] == "2"
    requests, said = scheduled.tick("weekly_training")
    assert requests == []
    assert said == "training of tiny: raw_corpus[0] has not been built; run tiny_data first"


def test_with_data_only_training_runs(scheduled: Scheduled) -> None:
    scheduled.build_data()
    assert scheduled.tick("nightly_data") == ([], "data of tiny: everything is fresh")
    (request,), _ = scheduled.tick("weekly_training")
    assert request.tags["satiety/reason"] == "model[all]: never built"
    assert not [key for key in request.tags if "partition" in key]


def test_with_everything_fresh_nothing_runs(scheduled: Scheduled) -> None:
    scheduled.pretend_training()
    for half, name in (("data", "nightly_data"), ("training", "weekly_training")):
        assert scheduled.tick(name) == ([], f"{half} of tiny: everything is fresh")


def test_a_source_that_changed_outside_runs_the_data_and_no_training_on_old_ones(scheduled: Scheduled) -> None:
    write_rows(scheduled.folder / "tiny.csv", seed=1)
    (request,), _ = scheduled.tick("nightly_data")
    assert request.tags["satiety/reason"] == "raw_corpus[0]: the source's content has changed"
    assert scheduled.tick("weekly_training") == ([], "training of tiny: everything is fresh")
    scheduled.build_data()
    (request,), _ = scheduled.tick("weekly_training")
    assert request.tags["satiety/reason"].startswith("model[all]: input ")


def test_a_touched_file_is_nothing_new(scheduled: Scheduled) -> None:
    (scheduled.folder / "tiny.csv").touch()
    assert scheduled.tick("nightly_data")[0] == []


def test_a_source_that_is_as_it_was_before_brings_old_versions_into_use(scheduled: Scheduled) -> None:
    write_rows(scheduled.folder / "tiny.csv")
    (request,), _ = scheduled.tick("nightly_data")
    assert request.tags["satiety/reason"].startswith("raw_corpus[0]: ")
    scheduled.build_data()
    assert scheduled.tick("nightly_data")[0] == []
    assert scheduled.tick("weekly_training")[0] == [], "the model in use was trained on these"
