"""Deduplications of several kinds in one recipe, through the stages."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from ops.errors import CheckFailed
from ops.stages.chain import stage_named, stages
from ops.stages.duplicates import CLUSTERS, file_of
from ops.stages.run import build_stage, wanted
from tests.chain import worlds

STEPS = (
    "cleaning=[{kind: exact_duplicates, conflict_label: label}, {kind: near_duplicates, threshold: 0.6, ngram: 1}, "
    "{kind: decontaminate, ngram: 3}, {kind: line_duplicates}]"
)
NAMES = ("raw_corpus", "signatures", "bands", "pairs", "duplicates", "clean_corpus")


def test_each_kind_has_its_say_and_every_row_is_accounted_for(tmp_path: Path) -> None:
    world = worlds.make(tmp_path)
    recipe = world.recipe(STEPS)
    assert recipe.problems() == []
    assert [stage.name for stage in stages(recipe)][:6] == list(NAMES)
    worlds.build(recipe, world.store, NAMES)
    dropped = pl.concat([version.parquet("dropped.parquet") for version in world.every("clean_corpus").values()])
    by_step = dict(dropped.group_by("step").len().iter_rows())
    assert by_step["exact_duplicates"] > 10 and by_step["near_duplicates"] > 10
    clean = pl.concat([version.parquet("data.parquet") for version in world.every("clean_corpus").values()])
    near = dropped.filter(step="near_duplicates")
    kept = near["evidence"].str.extract(r"^(\S+) \(Jaccard")
    assert set(kept) <= set(clean["id"]) | set(dropped.filter(step="decontaminate")["id"])
    # What comes after a partition is no ingredient of its pairs.
    stage = stage_named(recipe, "pairs")
    assert [list(wanted(stage, recipe, key, world.store).inputs["signatures"]) for key in "012"] == [
        ["0"],
        ["0", "1"],
        ["0", "1", "2"],
    ]
    assert [list(wanted(stage, recipe, key, world.store).inputs["bands"]) for key in "012"] == [[], ["0"], ["1"]]


def test_a_split_by_likeness_tears_nothing_apart(tmp_path: Path) -> None:
    world = worlds.make(tmp_path)
    step = "{kind: near_duplicates, threshold: 0.6, ngram: 1, action: keep}"
    recipe = world.recipe(f"cleaning=[{step}]", "split.near_duplicates=true")
    assert recipe.problems() == []
    worlds.build(recipe, world.store, NAMES)
    clean = pl.concat([version.parquet("data.parquet") for version in world.every("clean_corpus").values()])
    found = [world.version("duplicates").parquet(file_of(CLUSTERS, key)) for key in recipe.partition_keys()]
    clusters = pl.concat(found).join(clean.select("id", "split"), on="id")
    assert clusters.height > 50
    assert clusters.group_by("cluster").agg(pl.col("split").n_unique())["split"].max() == 1


def test_nothing_is_built_where_a_source_loses_too_much(tmp_path: Path) -> None:
    world = worlds.make(tmp_path)
    steps = "{kind: near_duplicates, threshold: 0.5, ngram: 1, maximum_loss: 0.01"
    recipe = world.recipe(f"cleaning=[{steps}}}]")
    worlds.build(recipe, world.store, NAMES[:5])
    with pytest.raises(CheckFailed, match=r"near_duplicates drops .* more than maximum_loss 0.01"):
        build_stage(stage_named(recipe, "clean_corpus"), recipe, "0", world.store)
    signed_off = world.recipe(f"cleaning=[{steps}, accept_loss: ['0', '1', '2']}}]")
    built = worlds.build(signed_off, world.store, NAMES)
    assert {stage for (stage, _), found in built.items() if found.built} == {"duplicates", "clean_corpus"}


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["cleaning=[{kind: line_duplicates}, {kind: exact_duplicates}]"], "must come after exact_duplicates"),
        (["cleaning=[]", "split.near_duplicates=true"], "takes one near_duplicates step"),
        (["cleaning=[{kind: near_duplicates, action: keep}]"], "keep does nothing"),
        (
            ["cleaning=[{kind: near_duplicates}, {kind: decontaminate}]", "split.near_duplicates=true"],
            "no place beside split.near_duplicates",
        ),
    ],
)
def test_what_contradicts_itself_is_found_before_anything_runs(
    overrides: list[str], words: str, tmp_path: Path
) -> None:
    with pytest.raises(Exception, match=words):
        worlds.make(tmp_path).recipe(*overrides)
