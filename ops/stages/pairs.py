"""pairs: each partition's rows beside those of the partitions before it; what is alike and how much."""

from __future__ import annotations

from typing import Any

from ops.recipe import Recipe
from ops.stages.bands import before, paired
from ops.stages.spec import Build, Input, Stage


def _config(recipe: Recipe) -> dict[str, Any]:
    return {"steps": [step.pair_settings() for step in paired(recipe)]}


def _modules(recipe: Recipe) -> list[str]:
    return [type(step).__module__ for step in paired(recipe)]


def _build(build: Build) -> None:
    for step in paired(build.recipe):
        step.pair(build.partition, build.every("signatures"), build.every("bands"), build.output)


PAIRS = Stage(
    name="pairs",
    description="Pairs of rows that are alike, one in the partition, the other in it or in one before it.",
    partitioned=True,
    inputs=(Input("signatures", every=True, upto=True), Input("bands", every=True, pick=before)),
    config=_config,
    keys=("cleaning",),
    build=_build,
    modules=_modules,
)
