"""duplicates: the fold that decides, over the signatures of all partitions, which rows are repeats."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from ops.deduplication.base import Deduplication, Gone, WholeCorpus
from ops.recipe import Recipe
from ops.scoring import Scoring
from ops.stages.scores import rejected
from ops.stages.spec import Build, Input, Stage
from ops.storage import Version, sha256_json

CLUSTERS = "clusters"
"""(id, cluster) of rows that are alike, where the split is to keep them on one side; a file for each partition."""


_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def file_of(name: str, partition: str) -> str:
    """The file with what was decided on a partition's rows: named by its key, or the key's hash."""
    return f"{name}-{partition if _PLAIN.fullmatch(partition) else sha256_json(partition)[:32]}.parquet"


def assign_split(recipe: Recipe, rows: pl.DataFrame, partition: str, duplicates: Version | None) -> pl.DataFrame:
    """A partition's rows with their `split`; the fold over duplicates tells which of them must be on one side."""
    alike = None
    if recipe.split.near_duplicates and duplicates is not None:
        alike = duplicates.parquet(file_of(CLUSTERS, partition))
    return recipe.split.assign(rows, recipe.known_by, alike)


def read_duplicates(recipe: Recipe, version: Version, partition: str) -> dict[str, pl.DataFrame]:
    """By `key` what each deduplication decided on a partition, as `Facts` has it."""
    return {
        step.key: version.parquet(f"{step.key}.parquet" if step.rewrites else file_of(step.key, partition))
        for step in recipe.deduplication.values()
    }


def _splits_alike(recipe: Recipe) -> bool:
    return any(step.paired for step in recipe.deduplication.values()) and recipe.split.near_duplicates


def _config(recipe: Recipe) -> dict[str, Any]:
    # Those that decide by scores too, in one order: a row that they drop is nobody's first copy.
    steps = recipe.cleaning[: max(recipe.deduplication) + 1]
    found = [
        step.decision_settings() if isinstance(step, WholeCorpus) else step.model_dump(mode="json")
        for step in steps
        if isinstance(step, Scoring | WholeCorpus)
    ]
    return {"steps": found, **({"clusters": True} if _splits_alike(recipe) else {})}


def _modules(recipe: Recipe) -> list[str]:
    return [type(step).__module__ for step in (*recipe.deduplication.values(), *recipe.scoring.values())]


class _Dropped:
    """What is dropped before a step: by scores, and by deduplications, of which one bit a row is kept."""

    def __init__(self, build: Build) -> None:
        self._recipe, self._signed = build.recipe, build.every("signatures")
        self._scores = build.every("scores") if "scores" in build.inputs else {}
        self._bits: dict[tuple[str, str], bytes] = {}

    def add(self, step: Deduplication, partition: str, ids: pl.Series) -> None:
        """Keep which rows of a partition a step drops."""
        own = self._signed[partition].parquet(f"{step.key}-sources.parquet", ["id"])["id"]
        self._bits[step.key, partition] = np.packbits(own.is_in(ids.implode()).to_numpy()).tobytes()

    def before(self, place: int) -> Gone:
        """The ids of a partition's rows that are dropped before a place in `cleaning`."""
        return lambda partition: pl.concat(list(self._parts(place, partition)))

    def _parts(self, place: int, partition: str) -> Iterator[pl.Series]:
        yield pl.Series("id", [], pl.String)
        if self._scores:
            yield rejected(self._recipe, place, {partition: self._scores[partition]})
        for earlier, step in self._recipe.deduplication.items():
            if earlier < place and (step.key, partition) in self._bits:
                own = self._signed[partition].parquet(f"{step.key}-sources.parquet", ["id"])["id"]
                bits = np.unpackbits(np.frombuffer(self._bits[step.key, partition], np.uint8), count=len(own))
                yield own.filter(pl.Series(bits.astype(np.bool_)))


def _build(build: Build) -> None:
    recipe, signed = build.recipe, build.every("signatures")
    pairs = build.every("pairs") if "pairs" in build.inputs else {}
    dropped = _Dropped(build)
    by_reason: dict[str, int] = {}
    excessive: list[str] = []
    repeats = 0
    for place, step in recipe.deduplication.items():
        gone = dropped.before(place)
        if not isinstance(step, Deduplication):
            decided = step.decide(signed, pl.concat([gone(partition) for partition in signed]))
            build.output.parquet(f"{step.key}.parquet", decided)
            continue
        losses = []
        for partition, found in step.decisions(signed, pairs, gone):
            build.output.parquet(file_of(step.key, partition), found)
            sources = signed[partition].parquet(f"{step.key}-sources.parquet")
            losses.append(step.losses(sources, gone(partition), found["id"]))
            for reason, count in found.group_by("reason").len().sort("reason").iter_rows():
                by_reason[f"{step.kind}.{reason}"] = by_reason.get(f"{step.kind}.{reason}", 0) + count
            repeats += found.height
            dropped.add(step, partition, found["id"])
        excessive += step.excessive_losses(pl.concat(losses))
        if step.paired and _splits_alike(recipe):
            for partition, alike in step.clusters(signed, pairs, gone):
                build.output.parquet(file_of(CLUSTERS, partition), alike)
    rows = sum(version.manifest.counts.rows_out for version in signed.values() if version.manifest.counts)
    build.output.facts({"rows": rows, "duplicates": repeats, "by_reason": by_reason, "excessive_losses": excessive})


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
