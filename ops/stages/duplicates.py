"""duplicates: the fold that decides, over the signatures of all partitions, which rows are repeats."""

from __future__ import annotations

from typing import Any

import polars as pl

from ops.recipe import Recipe
from ops.stages.signatures import _modules, _position
from ops.stages.spec import Build, Input, Stage


def _config(recipe: Recipe) -> dict[str, Any]:
    return {"step": recipe.part("cleaning")["cleaning"][_position(recipe)]}


def _build(build: Build) -> None:
    step = build.recipe.cleaning[_position(build.recipe)]
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
