"""signatures: a short hash of each row, small enough to be compared over the whole corpus."""

from __future__ import annotations

from typing import Any

from ops.deduplication.exact import ExactDuplicates
from ops.recipe import Recipe
from ops.stages.scores import steps_before
from ops.stages.spec import Build, Input, Stage
from ops.steps import Facts, apply_steps
from ops.storage import Counts


def deduplication(recipe: Recipe) -> tuple[int, ExactDuplicates]:
    """The step that drops repeated rows, and its place in `cleaning`; only recipes with one have this stage."""
    place = recipe.deduplication
    step = recipe.cleaning[place] if place is not None else None
    if place is None or not isinstance(step, ExactDuplicates):
        raise TypeError("a recipe without deduplication has no signatures")
    return place, step


def _config(recipe: Recipe) -> dict[str, Any]:
    place, step = deduplication(recipe)
    before = [earlier.model_dump(mode="json") for earlier in steps_before(recipe, place)]
    return {"before": before, "exact_duplicates": step.model_dump(mode="json"), "seed": recipe.seed}


def _modules(recipe: Recipe) -> list[str]:
    place, step = deduplication(recipe)
    return [type(value).__module__ for value in (*steps_before(recipe, place), step)]


def _build(build: Build) -> Counts:
    recipe = build.recipe
    place, step = deduplication(recipe)
    table = build.one("raw_corpus").parquet("data.parquet")
    # Rows are compared as they are after the steps before: repaired, masked, and without what those steps drop.
    applied = apply_steps(table, steps_before(recipe, place), Facts(build.partition, recipe.seed))
    build.output.parquet("signatures.parquet", step.signatures(applied.kept))
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
