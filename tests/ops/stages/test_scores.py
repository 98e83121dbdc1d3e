"""The stage `scores`: thresholds change decisions, and never the scores or anything that reads text for them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from ops.cleaning.language import Language
from ops.stages.chain import stage_named, stages
from ops.stages.run import wanted
from ops.stages.spec import ALL
from tests.chain import worlds
from tests.chain.worlds import World

STEPS = (
    "cleaning=[{kind: whitespace}, {kind: language, languages: [en], confidence: %s}, {kind: length, minimum: 4}, "
    "{kind: exact_duplicates, conflict_label: label}]"
)
NAMES = ("raw_corpus", "scores", "signatures", "duplicates", "clean_corpus")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return worlds.make(tmp_path_factory.mktemp("scores"))


def clean(world: World, floor: str) -> pl.DataFrame:
    recipe = world.recipe(STEPS % floor)
    built = worlds.build(recipe, world.store, NAMES)
    return pl.concat([v.version.parquet("data.parquet") for (s, _), v in built.items() if s == "clean_corpus"])


def test_another_threshold_reads_the_same_scores(world: World) -> None:
    loose, strict = clean(world, "0.0"), clean(world, "0.3")
    assert 0 < strict.height < loose.height
    fresh = {}
    for floor in ("0.0", "0.3"):
        recipe = world.recipe(STEPS % floor)
        fresh[floor] = {
            name: wanted(stage_named(recipe, name), recipe, "0", world.store).fingerprint
            for name in ("scores", "signatures", "clean_corpus")
        }
    assert fresh["0.0"]["scores"] == fresh["0.3"]["scores"]
    assert fresh["0.0"]["signatures"] == fresh["0.3"]["signatures"]
    assert fresh["0.0"]["clean_corpus"] != fresh["0.3"]["clean_corpus"]


def test_what_is_kept_is_what_the_step_keeps_by_itself(world: World) -> None:
    kept = clean(world, "0.3")
    scores = Language(languages=["en"]).score(kept)
    assert (scores["confidence"] >= 0.3).all() and (scores["language"] == "en").all()
    version = world.store.slot("tiny", "clean_corpus", "0").current()
    assert version is not None and version.manifest.counts is not None
    assert any(reason.startswith("language.") for reason in version.manifest.counts.dropped)


def test_a_row_that_scores_drop_is_nobodys_first_copy(tmp_path: Path) -> None:
    world = worlds.make(tmp_path)
    text = "the harbour and the gull are on the old reef of the island"
    unsure = text.title()  # Another case is other bytes, hence less of a language, and still the same content.
    rows = [f"{unsure},sea,1", f"{text},sea,1"]
    world.path.with_suffix(".csv").write_text("\n".join(["text,label,stars", *rows]) + "\n")
    low, high = Language(languages=["en"]).score(pl.DataFrame({"text": [unsure, text]}))["confidence"].to_list()
    assert low < high
    recipe = world.recipe("partitions={single: true}", STEPS % ((low + high) / 2))
    built = worlds.build(recipe, world.store, NAMES)
    assert built["clean_corpus", ALL].version.parquet("data.parquet")["text"].to_list() == [text]


def test_a_row_that_later_scores_drop_is_still_the_first_copy(tmp_path: Path) -> None:
    world = worlds.make(tmp_path)
    text = "the harbour and the gull are on the old reef of the island"
    other = "a path along the coast leads to the village and its church"
    rows = [f"{text.title()},sea,1", f"{text},sea,1", f"{other},sea,1"]
    world.path.with_suffix(".csv").write_text("\n".join(["text,label,stars", *rows]) + "\n")
    table = pl.DataFrame({"text": [text.title(), text, other]})
    low, *high = Language(languages=["en"]).score(table)["confidence"].to_list()
    assert low < min(high)
    steps = "cleaning=[{kind: exact_duplicates}, {kind: language, languages: [en], confidence: %s}]"
    recipe = world.recipe("partitions={single: true}", steps % ((low + min(high)) / 2))
    built = worlds.build(recipe, world.store, NAMES)
    assert built["clean_corpus", ALL].version.parquet("data.parquet")["text"].to_list() == [other]


def test_scores_come_before_those_who_read_them(world: World) -> None:
    recipe = world.recipe(STEPS % "0.1")
    names = [stage.name for stage in stages(recipe)]
    assert names[:5] == ["raw_corpus", "scores", "signatures", "duplicates", "clean_corpus"]
    assert {read.stage for read in stage_named(recipe, "duplicates").inputs} == {"signatures", "scores"}


def test_the_same_scores_twice_are_refused(world: World) -> None:
    twice = "cleaning=[{kind: language, languages: [en]}, {kind: language, languages: [en], confidence: 0.9}]"
    with pytest.raises(Exception, match="language makes the same scores twice"):
        world.recipe(twice)
