"""signatures: a few bytes of each row, small enough to be compared over the whole corpus."""

from __future__ import annotations

from typing import Any

from ops.deduplication.base import Deduplication
from ops.recipe import Recipe
from ops.stages.scores import steps_before
from ops.stages.spec import Build, Input, Stage
from ops.steps import Facts, apply_steps
from ops.storage import Counts


def _config(recipe: Recipe) -> dict[str, Any]:
    signed = [(len(steps_before(recipe, place)), step) for place, step in recipe.deduplication.items()]
    return {
        "before": [step.model_dump(mode="json") for step in steps_before(recipe, max(recipe.deduplication))],
        "signatures": [{"behind": behind, **step.signature_settings()} for behind, step in signed],
        "seed": recipe.seed,
        **({"split": recipe.part("split"), "input": recipe.task.input} if reads_split(recipe) else {}),
    }


def reads_split(recipe: Recipe) -> bool:
    """Whether a step asks in which split a row is."""
    return any(step.reads_split for step in recipe.deduplication.values())


def _modules(recipe: Recipe) -> list[str]:
    steps = [*steps_before(recipe, max(recipe.deduplication)), *recipe.deduplication.values()]
    split = [type(recipe.split).__module__] if reads_split(recipe) else []
    return [*split, *(type(step).__module__ for step in steps)]


def _build(build: Build) -> Counts:
    recipe = build.recipe
    table = rows = build.one("raw_corpus").parquet("data.parquet")
    facts, done, added, dropped = Facts(build.partition, recipe.seed), 0, 0, dict[str, int]()
    for place, step in recipe.deduplication.items():
        # Rows are compared as they are after the steps before: repaired, masked, and without what those steps drop.
        before = steps_before(recipe, place)
        applied = apply_steps(rows, before[done:], facts)
        rows, done, added = applied.kept, len(before), added + applied.added
        for reason, count in applied.dropped_by_reason.items():
            dropped[reason] = dropped.get(reason, 0) + count
        step.sign(recipe.split.assign(rows, recipe.task.input) if step.reads_split else rows, build.output)
        if isinstance(step, Deduplication):
            build.output.parquet(f"{step.key}-sources.parquet", step.sources(rows, build.partition))
    return Counts(rows_in=table.height, rows_out=rows.height, added=added, dropped=dropped)


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
