"""duplicates: the fold that decides, over the signatures of all partitions, which rows are repeats."""

from __future__ import annotations

from typing import Any

import polars as pl

from ops.recipe import Recipe
from ops.stages.scores import rejected
from ops.stages.signatures import deduplication
from ops.stages.spec import Build, Input, Stage


def _config(recipe: Recipe) -> dict[str, Any]:
    place, step = deduplication(recipe)
    # The thresholds too: a row that they drop is nobody's first copy.
    scoring = [earlier.model_dump(mode="json") for before, earlier in recipe.scoring.items() if before < place]
    return {"step": step.model_dump(mode="json"), "scoring": scoring}


def _modules(recipe: Recipe) -> list[str]:
    return [type(step).__module__ for step in (deduplication(recipe)[1], *recipe.scoring.values())]


def _build(build: Build) -> None:
    place, step = deduplication(build.recipe)
    signatures = pl.concat([v.parquet("signatures.parquet") for v in build.every("signatures").values()])
    if "scores" in build.inputs:
        dropped = rejected(build.recipe, place, build.every("scores"))
        signatures = signatures.filter(~pl.col("id").is_in(dropped.implode()))
    repeats = step.fold(signatures)
    build.output.parquet("duplicates.parquet", repeats)
    build.output.facts(
        {
            "rows": signatures.height,
            "duplicates": repeats.height,
            "by_reason": dict(repeats.group_by("reason").len().sort("reason").iter_rows()),
        }
    )


def duplicates_stage(scores: bool) -> Stage:
    """The stage, with the scores as an input where the recipe has some."""
    return Stage(
        name="duplicates",
        description="The rows of the whole corpus that repeat another, each with the row that is kept instead.",
        partitioned=False,
        inputs=(Input("signatures", every=True), *((Input("scores", every=True),) if scores else ())),
        config=_config,
        keys=("cleaning",),
        build=_build,
        modules=_modules,
    )
