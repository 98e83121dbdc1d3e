"""fitted: the fold in which cleaning steps learn, from training rows alone, what they then do to all rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from ops.fitting import fit_steps, training_rows
from ops.recipe import Recipe
from ops.stages.duplicates import assign_split, read_duplicates
from ops.stages.scores import read_scores
from ops.stages.spec import Build, Input, Stage
from ops.steps import Facts, Step


def _steps(recipe: Recipe) -> list[Step]:
    """The cleaning steps up to the last one that is fitted."""
    return list(recipe.cleaning[: max(recipe.fitting) + 1])


def _config(recipe: Recipe) -> dict[str, Any]:
    steps = [step.model_dump(mode="json") for step in _steps(recipe)]
    return {"cleaning": steps, **recipe.part("split", "seed"), "known_by": recipe.known_by}


def _modules(recipe: Recipe) -> list[str]:
    return [type(recipe.split).__module__, *(type(step).__module__ for step in _steps(recipe))]


def _build(build: Build) -> None:
    recipe = build.recipe

    decided = build.one("duplicates") if "duplicates" in build.inputs else None

    def load() -> Iterator[tuple[pl.DataFrame, Facts]]:
        for key, version in build.every("raw_corpus").items():
            scores = read_scores(recipe, build.every("scores")[key]) if "scores" in build.inputs else None
            duplicates = read_duplicates(recipe, decided, key) if decided is not None else None
            facts = Facts(key, recipe.seed, duplicates=duplicates, scores=scores)
            yield version.parquet("data.parquet"), facts

    def train(rows: pl.DataFrame, partition: str) -> pl.DataFrame:
        return training_rows(assign_split(recipe, rows, partition, decided))

    build.output.json("fitted.json", fit_steps(_steps(recipe), load, train, recipe.seed))


def fitted_stage(duplicates: bool, scores: bool) -> Stage:
    """The stage, with the duplicates fold and the scores as inputs where the recipe has them."""
    return Stage(
        name="fitted",
        description="What imputation and outlier steps learned from the training rows of the whole corpus.",
        partitioned=False,
        inputs=(
            Input("raw_corpus", every=True),
            *((Input("scores", every=True),) if scores else ()),
            *((Input("duplicates"),) if duplicates else ()),
        ),
        config=_config,
        keys=("cleaning", "split", "seed", "task"),
        build=_build,
        modules=_modules,
    )
