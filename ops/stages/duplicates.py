"""duplicates: the fold that decides, over the signatures of all partitions, which rows are repeats."""

from __future__ import annotations

from typing import Any

import polars as pl

from ops.recipe import Recipe
from ops.stages.signatures import deduplication
from ops.stages.spec import Build, Input, Stage


def _config(recipe: Recipe) -> dict[str, Any]:
    return {"step": recipe.part("cleaning")["cleaning"][deduplication(recipe)[0]]}


def _modules(recipe: Recipe) -> list[str]:
    return [type(deduplication(recipe)[1]).__module__]


def _build(build: Build) -> None:
    _, step = deduplication(build.recipe)
    signatures = pl.concat([v.parquet("signatures.parquet") for v in build.every("signatures").values()])
    repeats = step.fold(signatures)
    build.output.parquet("duplicates.parquet", repeats)
    build.output.facts(
        {
            "rows": signatures.height,
            "duplicates": repeats.height,
            "by_reason": dict(repeats.group_by("reason").len().sort("reason").iter_rows()),
        }
    )


DUPLICATES = Stage(
    name="duplicates",
    description="The rows of the whole corpus that repeat another, each with the row that is kept instead.",
    partitioned=False,
    inputs=(Input("signatures", every=True),),
    config=_config,
    keys=("cleaning",),
    build=_build,
    modules=_modules,
)
