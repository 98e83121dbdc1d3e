"""signatures: a short hash of each row, small enough to be compared over the whole corpus."""

from __future__ import annotations

from typing import Any

from ops.recipe import Recipe
from ops.stages.spec import Build, Input, Stage
from ops.steps import Facts, apply_steps
from ops.storage import Counts


def _position(recipe: Recipe) -> int:
    position = recipe.deduplication
    if position is None:
        raise TypeError("a recipe without deduplication has no signatures")
    return position


def _config(recipe: Recipe) -> dict[str, Any]:
    position = _position(recipe)
    steps = recipe.part("cleaning")["cleaning"]
    return {"before": steps[:position], "exact_duplicates": steps[position], "seed": recipe.seed}


def _modules(recipe: Recipe) -> list[str]:
    return [type(step).__module__ for step in recipe.cleaning[: _position(recipe) + 1]]


def _build(build: Build) -> Counts:
    recipe = build.recipe
    position = _position(recipe)
    table = build.one("raw_corpus").parquet("data.parquet")
    # Rows are compared as they are after the steps before: repaired, masked, and without what those steps drop.
    applied = apply_steps(table, recipe.cleaning[:position], Facts(build.partition, recipe.seed))
    build.output.parquet("signatures.parquet", recipe.cleaning[position].signatures(applied.kept))
    return Counts(rows_in=table.height, rows_out=applied.kept.height, dropped=applied.dropped_by_reason)


SIGNATURES = Stage(
    name="signatures",
    description="A hash of each row after the cleaning steps that come before deduplication.",
    partitioned=True,
    inputs=(Input("raw_corpus"),),
    config=_config,
    keys=("cleaning", "seed"),
    build=_build,
    modules=_modules,
)
