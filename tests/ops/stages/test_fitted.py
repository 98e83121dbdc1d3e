"""The stage `fitted`: values learned from the training rows of all partitions, used in each."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from ops.stages.chain import DATA_STAGES, stages
from ops.stages.spec import ALL
from tests.chain import worlds
from tests.chain.worlds import World

HOLES = (
    "cleaning=[{kind: length, minimum: 4}, {kind: exact_duplicates}, {kind: impute, columns: [stars], method: mean}]"
)
NAMES = ("raw_corpus", "signatures", "duplicates", "fitted", "clean_corpus")


def holed(tmp_path: Path) -> World:
    world = worlds.make(tmp_path)
    path = world.path.with_suffix(".csv")
    header, *lines = path.read_text().splitlines()
    # The last three of five stars are lost, in some rows.
    lost = [f"{line.rpartition(',')[0]}," if k % 4 == 0 else line for k, line in enumerate(lines)]
    path.write_text("\n".join([header, *lost]) + "\n")
    return world


def clean(world: World, *overrides: str) -> tuple[pl.DataFrame, dict[str, object]]:
    recipe = world.recipe(*(overrides or [HOLES]))
    built = worlds.build(recipe, world.store, NAMES)
    tables = [b.version.parquet("data.parquet") for (stage, _), b in built.items() if stage == "clean_corpus"]
    return pl.concat(tables), built["fitted", ALL].version.json("fitted.json")


def test_all_partitions_are_filled_with_the_mean_of_the_training_rows(tmp_path: Path) -> None:
    world = holed(tmp_path)
    table, fitted = clean(world)
    ((key, learned),) = fitted.items()
    assert key.startswith("impute-")
    raw = pl.concat([v.parquet("data.parquet") for v in world.every("raw_corpus").values()]).select("id", was="stars")
    both = table.join(raw, on="id")
    known = both.filter(pl.col("was").is_not_null(), split="train")["was"].to_list()
    assert 0 < len(known) < both.filter(split="train").height
    mean = sum(known) / len(known)
    assert learned["columns"]["stars"]["mean"] == pytest.approx(mean, rel=1e-12)  # type: ignore[index]
    assert both.filter(pl.col("was").is_null())["stars"].to_list() == [round(mean)] * both["was"].null_count()
    assert both.filter(pl.col("was").is_not_null()).select((pl.col("was") == pl.col("stars")).all()).item()


@pytest.mark.parametrize("settings", ["method: mean", "hidden: 0.3"])
def test_it_is_the_same_for_other_partitions(tmp_path: Path, settings: str) -> None:
    # Without deduplication, which keeps the first of equal rows, and partitions change which that is.
    world, alone = holed(tmp_path), f"cleaning=[{{kind: impute, columns: [stars], {settings}}}]"
    (one, learned), (five, again) = (clean(world, alone, f"partitions={{hash: {count}}}") for count in (1, 5))
    # Ids tell the partition; contents do not.
    assert learned == again and one.drop("id").sort(pl.all()).equals(five.drop("id").sort(pl.all()))


def test_a_column_that_a_step_makes_may_be_named(tmp_path: Path) -> None:
    times = "{kind: timestamps, columns: [stars], format: '%Y-%m-%d', zone: UTC, output: time}"
    rule = "{kind: consistency, columns: {time: {required: true}}}"
    worlds.make(tmp_path).recipe(f"cleaning=[{times}, {rule}, {{kind: impute, columns: [stars], order: time}}]")


def test_the_web_page_shows_the_errors(tmp_path: Path) -> None:
    from assets.fitted import LOOK

    world = holed(tmp_path)
    recipe = world.recipe("cleaning=[{kind: impute, columns: [stars]}]")
    worlds.build(recipe, world.store, NAMES)
    version = world.version("fitted")
    table = LOOK.metadata(recipe, {ALL: version})["impute"]
    assert {record.data["method"] for record in table.records} == {"mean", "median", "mode"}
    assert sum(bool(record.data["taken"]) for record in table.records) == 1


def test_a_recipe_without_fitted_steps_has_no_such_stage(tmp_path: Path) -> None:
    recipe = worlds.make(tmp_path).recipe()
    assert "fitted" not in {stage.name for stage in stages(recipe)}


@pytest.mark.slow
def test_the_report_shows_the_errors_of_all_methods(tmp_path: Path) -> None:
    world = holed(tmp_path)
    recipe = world.recipe("cleaning=[{kind: impute, columns: [stars], method: auto}]")
    built = worlds.build(recipe, world.store, (*DATA_STAGES, "model", "report"))
    fitted = built["fitted", ALL].version.json("fitted.json")
    report = built["report", ALL].version
    (learned,) = report.json("report.json")["learned"]
    (errors,) = [each["errors"] for each in fitted.values()]
    assert learned["step"] == "impute" and len(learned["rows"]) == len(errors) == 3
    assert sum(row["taken"] for row in learned["rows"]) == 1
    page = report.file("report.html").read_text()
    assert (
        "learned from the training rows" in page
        and f'data-path="learned.0.rows.0.rmse">{errors[0]["rmse"]:.4g}<' in page
    )
    assert any(origin["stage"] == "fitted" for origin in report.json("report.json")["inputs"])


def test_what_the_split_goes_by_is_written_before_anything_is_learned(tmp_path: Path) -> None:
    world, fitted = worlds.make(tmp_path), "{kind: impute, columns: [stars], method: median}"
    times = "{kind: timestamps, columns: [stars], format: '%s', zone: UTC}"
    late = "split={time: time, valid_from: '1970-01-01T00:04', test_from: '1970-01-01T00:05'}"
    with pytest.raises(Exception, match="column 'time', so timestamps, which writes it, must come before impute"):
        world.recipe(f"cleaning=[{fitted}, {times}]", late)
    world.recipe(f"cleaning=[{times}, {fitted}]", late)
    grouped = "split={groups: [label]}"
    with pytest.raises(Exception, match="column 'text', so mask, which writes it, must come before impute"):
        world.recipe(f"cleaning=[{fitted}, {{kind: mask, words: [x]}}]", grouped)
    # Read, and not written: a series by station, whole stations on one side.
    world.recipe("cleaning=[{kind: impute, columns: [stars], groups: [label]}, {kind: length, minimum: 1}]", grouped)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("{kind: impute, columns: [stars]}, {kind: exact_duplicates}", "exact_duplicates must come before impute"),
        ("{kind: impute, columns: [stars]}, {kind: language, languages: [en]}", "language must come before impute"),
        ("{kind: impute, columns: [stars]}, {kind: impute, columns: [stars]}", "the very same impute is there twice"),
        ("{kind: impute, columns: [text]}", "the split goes by column 'text'"),
        (
            "{kind: outliers, columns: [stars], method: zscore}, {kind: html_to_text}",
            "the split goes by column 'text', so html_to_text, which writes it, must come before outliers",
        ),
        ("{kind: impute, columns: [starz]}", "no column 'starz'"),
        ("{kind: impute, columns: [stars], order: hour}", "no column 'hour'"),
    ],
)
def test_lists_that_cannot_be(tmp_path: Path, steps: str, message: str) -> None:
    with pytest.raises(Exception, match=message):
        worlds.make(tmp_path).recipe(f"cleaning=[{steps}]")
