"""clean_corpus: the cleaning steps applied to one partition, and each row's place in train, valid or test."""

from __future__ import annotations

from typing import Any

import polars as pl

from ops.columns import in_words
from ops.recipe import Recipe
from ops.stages.duplicates import assign_split, read_duplicates
from ops.stages.scores import read_scores
from ops.stages.spec import Build, Input, Stage
from ops.steps import Facts, apply_steps
from ops.storage import Counts


def _config(recipe: Recipe) -> dict[str, Any]:
    return {**recipe.part("cleaning", "split", "seed"), "known_by": recipe.known_by, "modality": recipe.task.modality}


def _modules(recipe: Recipe) -> list[str]:
    return [type(recipe.split).__module__, *(type(step).__module__ for step in recipe.cleaning)]


def _build(build: Build) -> Counts:
    recipe = build.recipe
    table = build.one("raw_corpus").parquet("data.parquet")
    decided = build.one("duplicates") if "duplicates" in build.inputs else None
    duplicates = read_duplicates(recipe, decided, build.partition) if decided is not None else None
    scores = read_scores(recipe, build.one("scores")) if "scores" in build.inputs else None
    fitted = build.one("fitted").json("fitted.json") if "fitted" in build.inputs else None
    facts = Facts(build.partition, recipe.seed, duplicates=duplicates, scores=scores, fitted=fitted)
    applied = apply_steps(table, recipe.cleaning, facts)
    clean = assign_split(recipe, applied.kept, build.partition, decided)
    build.output.parquet("data.parquet", clean)
    excerpt = table.select("id", *_excerpt(table, recipe))
    build.output.parquet("dropped.parquet", applied.dropped.join(excerpt, on="id", how="left", maintain_order="left"))
    # Of all the books only these could not be worked out from the rows: in a file, they are part of the digest.
    build.output.json("changed.json", applied.changed)
    splits = dict(clean.group_by("split").len().sort("split").iter_rows())
    build.output.facts({"splits": splits})
    return Counts(
        rows_in=table.height,
        rows_out=clean.height,
        added=applied.added,
        dropped=applied.dropped_by_reason,
        changed=applied.changed,
    )


def _excerpt(table: pl.DataFrame, recipe: Recipe) -> list[pl.Expr]:
    """The start of a dropped text or row, so that a person can judge the decision; images are looked up by their id."""
    if recipe.task.modality == "table":
        plain = [n for n, kind in table.schema.items() if not kind.is_nested() and kind != pl.Binary and n != "id"]
        return [in_words(plain).str.head(200).alias("excerpt")]
    column = recipe.task.input
    return [pl.col(column).str.head(200).alias("excerpt")] if table.schema[column] == pl.String else []


def clean_corpus_stage(duplicates: bool, scores: bool, fitted: bool) -> Stage:
    """The stage, with the scores and the folds over duplicates and fitted steps as inputs where the recipe has them."""
    return Stage(
        name="clean_corpus",
        description="The rows that every cleaning step keeps, with their split; those dropped lie beside.",
        partitioned=True,
        inputs=(
            Input("raw_corpus"),
            *((Input("scores"),) if scores else ()),
            *((Input("duplicates"),) if duplicates else ()),
            *((Input("fitted"),) if fitted else ()),
        ),
        config=_config,
        keys=("cleaning", "split", "seed", "task"),
        build=_build,
        modules=_modules,
    )
