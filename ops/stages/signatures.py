"""signatures: a few bytes of each row, small enough to be compared over the whole corpus."""

from __future__ import annotations

from typing import Any

from ops.deduplication.base import Deduplication
from ops.recipe import Recipe
from ops.stages.scores import RowsBefore, steps_before
from ops.stages.spec import Build, Input, Stage
from ops.storage import Counts


def _config(recipe: Recipe) -> dict[str, Any]:
    signed = [(len(steps_before(recipe, place)), step) for place, step in recipe.deduplication.items()]
    return {
        "before": [step.model_dump(mode="json") for step in steps_before(recipe, max(recipe.deduplication))],
        "signatures": [{"behind": behind, **step.signature_settings()} for behind, step in signed],
        "seed": recipe.seed,
        **({"split": recipe.part("split"), "known_by": recipe.known_by} if reads_split(recipe) else {}),
    }


def reads_split(recipe: Recipe) -> bool:
    """Whether a step asks in which split a row is."""
    return any(step.reads_split for step in recipe.deduplication.values())


def _modules(recipe: Recipe) -> list[str]:
    steps = [*steps_before(recipe, max(recipe.deduplication)), *recipe.deduplication.values()]
    split = [type(recipe.split).__module__] if reads_split(recipe) else []
    return [*split, *(type(step).__module__ for step in steps)]


def _build(build: Build) -> Counts:
    recipe, before = build.recipe, RowsBefore(build)
    for place, step in recipe.deduplication.items():
        rows = before.at(place)
        step.sign(recipe.split.assign(rows, recipe.known_by) if step.reads_split else rows, build.output)
        if isinstance(step, Deduplication):
            build.output.parquet(f"{step.key}-sources.parquet", step.sources(rows, build.partition))
    return before.counts()


def signatures_stage(split: bool) -> Stage:
    """The stage; `split` where a step asks in which split a row is."""
    return Stage(
        name="signatures",
        description="A few bytes of each row after the cleaning steps that come before each deduplication.",
        partitioned=True,
        inputs=(Input("raw_corpus"),),
        config=_config,
        keys=("cleaning", "seed", *(("split", "task") if split else ())),
        build=_build,
        modules=_modules,
    )
