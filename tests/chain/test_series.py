"""The whole chain of a series: months, filled holes, windows, training, and the report beside persistence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ops.errors import BadData, CheckFailed
from ops.evaluation.reports import asset_metadata, lead, read_report
from ops.stages.cached import cached_rows
from ops.stages.chain import stages
from ops.stages.run import Built, build_stage
from ops.stages.spec import ALL
from ops.storage import Store
from pipelines.plan import make_plan
from tests.chain.worlds import World
from tests.series import HOURS, MONTHS, series_recipe, write_hours

EVERYTHING = (
    "raw_corpus", "fitted", "clean_corpus", "statistics", "shards", "token_cache", "model", "report",
)  # fmt: skip
DATA = EVERYTHING[:-2]
Places = dict[tuple[str, str], Built]


def made(folder: Path, hours: int = HOURS, **overrides: Any) -> World:
    """A recipe over a series with a store of its own."""
    return World(series_recipe(folder, hours=hours, **overrides), Store(folder / "store"))


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> World:
    return made(tmp_path_factory.mktemp("series"))


@pytest.fixture(scope="module")
def built(series: World) -> Places:
    return series.build()


def test_the_chain_is_that_of_every_recipe_without_a_vocabulary(series: World) -> None:
    assert tuple(stage.name for stage in stages(series.recipe())) == EVERYTHING


def test_every_hour_is_accounted_for_from_month_to_window(built: Places) -> None:
    for month in MONTHS:
        raw, shards, cache = (built[name, month].version for name in ("raw_corpus", "shards", "token_cache"))
        counts = cache.manifest.counts
        assert counts is not None and raw.manifest.counts is not None
        rows = shards.parquet("data.parquet")
        assert raw.manifest.counts.rows_out == counts.rows_in == rows.height
        assert rows["dust"].null_count() == 0 and rows["time"].is_sorted()
        assert counts.rows_out + sum(counts.dropped.values()) == rows.height
        # With no gap in a month these are the hours at its ends; holes cost a window only if all they ask for is one.
        assert counts.dropped["window.history"] == 23 and counts.dropped["window.horizon"] == 6
        index = cached_rows(cache)
        values = np.frombuffer(cache.file("data.bin").read_bytes(), "<f4").reshape(rows.height, 6)
        np.testing.assert_array_equal(values[:, 0], rows["dust"].cast(pl.Float32).to_numpy())
        assert set(index["split"]) == {"train" if month < "2020-03" else "valid" if month < "2020-04" else "test"}
    january = built["token_cache", "2020-01"].version.manifest.counts
    # An hour of which the truth of all six hours behind it was lost, in the hole of twelve hours.
    assert january is not None and january.dropped["window.label"] >= 12 - 6 + 1


def test_windows_hold_what_was_and_ask_for_what_came(built: Places) -> None:
    rows = built["shards", "2020-01"].version.parquet("data.parquet")
    cache = built["token_cache", "2020-01"].version
    flat = np.frombuffer(cache.file("data.bin").read_bytes(), "<f4")
    place = {identity: number for number, identity in enumerate(rows["id"])}
    dust, truth = rows["dust"].to_list(), rows["label"].to_list()
    for row in cached_rows(cache).sample(40, seed=1).iter_rows(named=True):
        last = place[row["id"]]
        window = flat[row["offset"] : row["offset"] + row["length"]].reshape(24, 6)
        np.testing.assert_array_equal(window[:, 0], np.array(dust[last - 23 : last + 1], np.float32))
        known = [np.nan if value is None else value for value in truth[last + 1 : last + 7]]
        expected = np.array([*known, *dust[last - 5 : last + 1]], np.float32)
        np.testing.assert_array_equal(np.array(row["label"], np.float32), expected)


def test_features_are_described_as_the_shards_have_them(built: Places) -> None:
    found = built["statistics", ALL].version.json("statistics.json")
    train = pl.concat([built["shards", month].version.parquet("data.parquet") for month in MONTHS[:2]])
    np.testing.assert_allclose(found["series"]["mean"][0], train["dust"].to_numpy().mean())
    np.testing.assert_allclose([found["series"]["mean"][1], found["series"]["std"][1]], [0.0, 1.0], atol=1e-6)
    np.testing.assert_allclose(
        found["series"]["target_std"], train["label"].drop_nulls().to_numpy().astype(float).std(), rtol=1e-5
    )
    assert found["shared_with_train"] == {"valid": 0, "test": 0}
    assert sum(found["rows"].values()) == HOURS and "classes" not in found


def test_the_report_says_what_metrics_and_manifest_say(built: Places) -> None:
    version = built["report", ALL].version
    report = read_report(version.file("report.json").read_bytes())
    figures = {name: value for name, value in asset_metadata(report).items() if not isinstance(value, str)}
    assert version.json("metrics.json") == figures
    assert {"mae", "rmse_low", "skill_high", "persistence_mae", "baseline_mae"} <= figures.keys()
    assert lead(report).low > 0 and figures["mae"] < figures["persistence_mae"]
    page = version.file("report.html").read_text()
    assert page.count("<svg") >= 10 and "Steps ahead" in page and "http" not in page.replace("http-equiv", "")
    model = built["model", ALL].version
    assert model.manifest.facts["lost"] == ""
    assert model.manifest.facts["valid"].keys() == {
        "loss", "mae", "rmse", "skill", "persistence_mae", "persistence_rmse",
    }  # fmt: skip
    assert (version.path / "valid_mae.csv").read_text().startswith("step,valid_mae\n")


def test_the_same_again_is_the_same_to_the_byte(built: Places, tmp_path: Path) -> None:
    again = made(tmp_path).build(EVERYTHING[:-1])
    assert all(again[place].version.digest == built[place].version.digest for place in again)


def test_two_processes_train_and_judge_together(built: Places, series: World) -> None:
    alone = built["model", ALL].version.manifest.facts["valid"]
    both = series.build(("model",), "launch.processes=2")["model", ALL].version.manifest.facts["valid"]
    assert both["persistence_mae"] == pytest.approx(alone["persistence_mae"], rel=1e-9)
    assert both["mae"] == pytest.approx(alone["mae"], rel=0.05)
    series.build(("model",))


def test_a_month_that_comes_is_planned_and_built_and_leaves_the_others(tmp_path: Path) -> None:
    """April is empty at first: nothing of it is judged, so that the splits must lie before it."""
    earlier = {"split": {"valid_from": "2020-02-15", "test_from": "2020-03-01"}}
    world = made(tmp_path, HOURS - 30 * 24, **earlier)
    before = world.build(DATA)
    assert before["token_cache", "2020-04"].version.manifest.facts["elements"] == 0
    write_hours(tmp_path / "dust.csv")
    recipe = world.recipe()
    planned = make_plan(recipe, world.store, ["raw_corpus"])
    assert [item.status for item in planned.items] == ["build"] * 4
    for month in MONTHS:
        build_stage(stages(recipe)[0], recipe, month, world.store)
    work = make_plan(recipe, world.store, ["raw_corpus", "clean_corpus"]).items
    assert {item.partition for item in work if item.status != "fresh" and item.stage == "clean_corpus"} <= set(MONTHS)
    after = world.build(DATA)
    same = [
        month for month in MONTHS if before["shards", month].version.digest == after["shards", month].version.digest
    ]
    assert same == MONTHS[:3]
    assert after["token_cache", "2020-04"].version.manifest.facts["elements"] == 30 * 24 * 6


def test_a_model_that_is_no_nearer_than_persistence_is_stopped(tmp_path: Path) -> None:
    world = made(tmp_path, training={"steps": 1, "learning_rate": 1e-6}, task={"horizon": 1})
    with pytest.raises(CheckFailed, match=r"mean absolute error on the validation rows is .*, that of persistence"):
        world.build()


def test_a_split_without_rows_is_said_before_training(tmp_path: Path) -> None:
    world = made(tmp_path)
    with pytest.raises(BadData, match="the test split has no row"):
        world.build(DATA, "split.test_from='2021-01-01'")
