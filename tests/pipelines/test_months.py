"""Months through Dagster: the nightly schedule builds those that are missing, a range of them is one run."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import dagster as dg
import pytest

from assets.collect import assets
from ops.errors import ConfigError
from ops.recipe import Recipe
from ops.stages.chain import DATA_STAGES
from ops.storage import Store
from pipelines.execute import execute
from pipelines.jobs import jobs
from pipelines.recipe import load_file
from pipelines.schedules import schedules
from resources.settings import EngineSettings, Settings, TrackingSettings, load_settings
from tests.series import HOURS, MONTHS, series_recipe, write_hours

DATA = ["raw_corpus", "fitted", "clean_corpus", "statistics", "shards", "token_cache"]


class Months:
    """A recipe whose April has not come yet, with a store and a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        split = {"valid_from": "2020-02-15", "test_from": "2020-03-01"}
        self.recipe: Recipe = load_file(series_recipe(folder, hours=HOURS - 30 * 24, split=split))
        self.settings: Settings = dataclasses.replace(
            load_settings(folder, {}), engine=EngineSettings(workers=1), tracking=TrackingSettings(enabled=False)
        )

    def tick(self) -> tuple[list[dg.RunRequest], str]:
        """What the nightly schedule asks for, and what it says instead."""
        store = Store(self.settings.store)
        nightly = next(s for s in schedules(self.recipe, jobs(self.recipe), lambda: store) if "nightly" in s.name)
        at = datetime.datetime(2020, 5, 1, 2, tzinfo=datetime.UTC)
        done = nightly.evaluate_tick(dg.build_schedule_context(scheduled_execution_time=at))
        return list(done.run_requests or ()), done.skip_message or ""


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> Months:
    """The tests below build in one store, in their order."""
    return Months(tmp_path_factory.mktemp("months"))


def test_assets_have_the_months_as_partitions_and_a_range_is_one_run(months: Months) -> None:
    made = {asset.key.path[-1]: asset for asset in assets(months.recipe)}
    for name in ("raw_corpus", "clean_corpus", "shards", "token_cache"):
        definition = made[name].partitions_def
        assert definition is not None and list(definition.get_partition_keys()) == MONTHS
        policy = made[name].backfill_policy
        assert policy is not None and policy.policy_type.name == "SINGLE_RUN"
    assert all(made[name].partitions_def is None for name in ("fitted", "statistics", "model", "report"))


def test_the_nightly_schedule_asks_for_all_months_on_an_empty_store(months: Months) -> None:
    (request,), _ = months.tick()
    assert request.tags["satiety/reason"] == "raw_corpus[2020-01]: never built"
    ends = [request.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end")]
    assert ends == ["2020-01", "2020-04"]
    done = execute(months.recipe, stages=DATA, settings=months.settings)
    assert len(done.built) == 4 * 4 + 2 and not done.reused
    assert months.tick() == ([], "data of dust: everything is fresh")


def test_a_month_that_has_come_is_built_and_the_others_are_reused_below_the_source(months: Months) -> None:
    write_hours(months.folder / "dust.csv")
    (request,), _ = months.tick()
    assert request.tags["satiety/reason"] == "raw_corpus[2020-01]: the source's content has changed"
    done = execute(months.recipe, stages=["raw_corpus", "fitted", "clean_corpus"], settings=months.settings)
    # April was empty: what it has now is of the test split, so that nothing that is learned changes.
    again = {name for name in done.built if name.startswith("clean_corpus")}
    assert again == {"clean_corpus[2020-04]"}
    assert {f"clean_corpus[{month}]" for month in MONTHS[:3]} <= set(done.reused)


def test_a_range_of_months_is_one_run_and_others_are_another(months: Months) -> None:
    with dg.DagsterInstance.from_config(str(months.settings.dagster_home)) as instance:
        before = len(list(instance.get_runs()))
    done = execute(
        months.recipe, stages=["shards"], partitions=["2020-04", "2020-01", "2020-02"], settings=months.settings
    )
    assert {name[:6] for name in [*done.built, *done.reused]} == {"shards"} and len(done.built + done.reused) == 3
    with dg.DagsterInstance.from_config(str(months.settings.dagster_home)) as instance:
        runs = list(instance.get_runs())
    ranges = [[run.tags[f"dagster/asset_partition_range_{end}"] for end in ("start", "end")] for run in runs]
    assert ranges[: len(runs) - before] == [["2020-04", "2020-04"], ["2020-01", "2020-02"]]


def test_a_month_that_the_recipe_has_not_is_named(months: Months) -> None:
    with pytest.raises(ConfigError, match="dust has no partition '2020-05'"):
        execute(months.recipe, stages=["raw_corpus"], partitions=["2020-05"], settings=months.settings)


def test_all_data_stages_of_a_series_are_data_stages() -> None:
    assert set(DATA) <= set(DATA_STAGES)
