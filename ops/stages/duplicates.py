"""duplicates: the fold that decides, over the signatures of all partitions, which rows are repeats."""

from __future__ import annotations

from typing import Any

import polars as pl

from ops.deduplication.base import Deduplication, WholeCorpus
from ops.recipe import Recipe
from ops.scoring import Scoring
from ops.stages.scores import rejected
from ops.stages.spec import Build, Input, Stage
from ops.storage import Version

CLUSTERS = "clusters.parquet"
"""(id, cluster) of rows that are alike, where the split is to keep them on one side."""


def assign_split(recipe: Recipe, rows: pl.DataFrame, duplicates: Version | None) -> pl.DataFrame:
    """The rows with their `split`; the fold over duplicates tells which of them must be on one side."""
    alike = duplicates.parquet(CLUSTERS) if recipe.split.near_duplicates and duplicates is not None else None
    return recipe.split.assign(rows, recipe.known_by, alike)


def read_duplicates(recipe: Recipe, version: Version) -> dict[str, pl.DataFrame]:
    """By `key` what each deduplication decided, as `Facts` has it."""
    return {step.key: version.parquet(f"{step.key}.parquet") for step in recipe.deduplication.values()}


def _splits_alike(recipe: Recipe) -> bool:
    return any(step.paired for step in recipe.deduplication.values()) and recipe.split.near_duplicates


def _config(recipe: Recipe) -> dict[str, Any]:
    # Those that decide by scores too, in one order: a row that they drop is nobody's first copy.
    steps = recipe.cleaning[: max(recipe.deduplication) + 1]
    found = [step.model_dump(mode="json") for step in steps if isinstance(step, Scoring | WholeCorpus)]
    return {"steps": found, **({"clusters": True} if _splits_alike(recipe) else {})}


def _modules(recipe: Recipe) -> list[str]:
    return [type(step).__module__ for step in (*recipe.deduplication.values(), *recipe.scoring.values())]


def _build(build: Build) -> None:
    recipe, signed = build.recipe, build.every("signatures")
    pairs = build.every("pairs") if "pairs" in build.inputs else {}
    repeats = pl.Series("id", [], pl.String)
    by_reason: dict[str, int] = {}
    losses: list[str] = []
    for place, step in recipe.deduplication.items():
        gone = [repeats, rejected(recipe, place, build.every("scores"))] if "scores" in build.inputs else [repeats]
        decided = step.decide(pairs if step.paired else signed, pl.concat(gone))
        build.output.parquet(f"{step.key}.parquet", decided)
        if isinstance(step, Deduplication):
            sources = pl.concat([version.parquet(f"{step.key}-sources.parquet") for version in signed.values()])
            losses += step.excessive_losses(sources, pl.concat(gone), decided["id"])
            alike = (
                step.clusters(pairs if step.paired else signed, pl.concat(gone))
                if _splits_alike(build.recipe)
                else None
            )
            if alike is not None:
                build.output.parquet(CLUSTERS, alike)
            repeats = pl.concat([repeats, decided["id"]])
            for reason, count in decided.group_by("reason").len().sort("reason").iter_rows():
                by_reason[f"{step.kind}.{reason}"] = by_reason.get(f"{step.kind}.{reason}", 0) + count
    rows = sum(version.manifest.counts.rows_out for version in signed.values() if version.manifest.counts)
    build.output.facts({"rows": rows, "duplicates": repeats.len(), "by_reason": by_reason, "excessive_losses": losses})


def duplicates_stage(scores: bool, pairs: bool) -> Stage:
    """The stage, with scores and pairs as inputs where the recipe has some."""
    return Stage(
        name="duplicates",
        description="The rows of the whole corpus that repeat another, each with the row that is kept instead.",
        partitioned=False,
        inputs=(
            Input("signatures", every=True),
            *((Input("pairs", every=True),) if pairs else ()),
            *((Input("scores", every=True),) if scores else ()),
        ),
        config=_config,
        keys=("cleaning", *(("split",) if pairs else ())),
        build=_build,
        refusal=lambda version: "; ".join(version.manifest.facts["excessive_losses"]),
        modules=_modules,
    )
