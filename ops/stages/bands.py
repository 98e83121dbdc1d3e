"""bands: what a new partition looks its rows up in, put together so that it looks into few files."""

from __future__ import annotations

from typing import Any

from ops.deduplication.base import WholeCorpus
from ops.recipe import Recipe
from ops.stages.spec import Build, Input, Stage


def covered(partitions: list[str], own: str) -> list[str]:
    """The partitions whose bands lie together at one: as many up to it as the largest power of 2 in its number."""
    number = partitions.index(own) + 1
    return partitions[number - (number & -number) : number]


def before(partitions: list[str], own: str) -> list[str]:
    """The partitions at which the bands of all that come before one lie."""
    number, found = partitions.index(own), list[str]()
    while number:
        found.append(partitions[number - 1])
        number &= number - 1
    return found[::-1]


def paired(recipe: Recipe) -> list[WholeCorpus]:
    """The steps that compare row by row."""
    return [step for step in recipe.deduplication.values() if step.paired]


def _config(recipe: Recipe) -> dict[str, Any]:
    return {"steps": [step.signature_settings() for step in paired(recipe)]}


def _modules(recipe: Recipe) -> list[str]:
    return [type(step).__module__ for step in paired(recipe)]


def _build(build: Build) -> None:
    for step in paired(build.recipe):
        step.index(build.every("signatures"), build.output)


BANDS = Stage(
    name="bands",
    description="Signatures of some partitions in one order, so that a new partition looks into few files.",
    partitioned=True,
    inputs=(Input("signatures", every=True, pick=covered),),
    config=_config,
    keys=("cleaning",),
    build=_build,
    modules=_modules,
)
