"""scores: what cleaning steps decide by, worked out once for each row and kept apart from the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from ops.deduplication.base import WholeCorpus
from ops.recipe import Recipe
from ops.scoring import Scoring
from ops.stages.spec import Build, Input, Stage
from ops.steps import Facts, Step, apply_steps
from ops.storage import Counts, Version


def steps_before(recipe: Recipe, place: int) -> list[Step]:
    """The cleaning steps before a place that look at nothing but the row.

    Those that decide by scores are not among them, so that their thresholds change nothing, nor is deduplication, which
    looks at the whole corpus. Rows that only they drop are scored and signed in vain.
    """
    return [step for step in recipe.cleaning[:place] if not isinstance(step, Scoring | WholeCorpus)]


class RowsBefore:
    """A partition's raw rows as they are before one step after another: repaired, masked, without what was dropped."""

    def __init__(self, build: Build) -> None:
        self._recipe = build.recipe
        self._facts = Facts(build.partition, build.recipe.seed)
        self._rows = build.one("raw_corpus").parquet("data.parquet")
        self._rows_in, self._done, self._added = self._rows.height, 0, 0
        self._dropped: dict[str, int] = {}

    def at(self, place: int) -> pl.DataFrame:
        """The rows before a place in `cleaning`, no earlier than the one asked for last; see `steps_before`."""
        before = steps_before(self._recipe, place)
        applied = apply_steps(self._rows, before[self._done :], self._facts)
        self._rows, self._done = applied.kept, len(before)
        self._added += applied.added
        for reason, count in applied.dropped_by_reason.items():
            self._dropped[reason] = self._dropped.get(reason, 0) + count
        return self._rows

    def counts(self) -> Counts:
        """The books up to the last place."""
        return Counts(self._rows_in, self._rows.height, added=self._added, dropped=self._dropped)


def read_scores(recipe: Recipe, version: Version) -> dict[str, pl.DataFrame]:
    """By `score_key` the scores of a partition's rows, as `Facts` has them."""
    return {step.score_key: version.parquet(_file(step)) for step in recipe.scoring.values()}


def rejected(recipe: Recipe, place: int, versions: Mapping[str, Version]) -> pl.Series:
    """The ids of all rows that steps before a place drop by their scores, over all partitions."""
    found = [
        table["id"].filter(step.decide(table.drop("id")).reasons.is_not_null())
        for before, step in recipe.scoring.items()
        if before < place
        for table in (version.parquet(_file(step)) for version in versions.values())
    ]
    return pl.concat(found) if found else pl.Series("id", [], pl.String)


def _file(step: Scoring) -> str:
    return f"{step.score_key}.parquet"


def _config(recipe: Recipe) -> dict[str, Any]:
    scored = [(len(steps_before(recipe, place)), step) for place, step in recipe.scoring.items()]
    return {
        "before": [step.model_dump(mode="json") for step in steps_before(recipe, max(recipe.scoring))],
        "scores": [{"behind": behind, **step.score_settings()} for behind, step in scored],
        "seed": recipe.seed,
    }


def _modules(recipe: Recipe) -> list[str]:
    steps = [*steps_before(recipe, max(recipe.scoring)), *recipe.scoring.values()]
    return [type(step).__module__ for step in steps]


def _build(build: Build) -> Counts:
    before = RowsBefore(build)
    for place, step in build.recipe.scoring.items():
        rows = before.at(place)
        build.output.parquet(_file(step), pl.concat([rows.select("id"), step.score(rows)], how="horizontal"))
    return before.counts()


SCORES = Stage(
    name="scores",
    description="What cleaning steps decide by, for each row: another threshold reads this table and no text.",
    partitioned=True,
    inputs=(Input("raw_corpus"),),
    config=_config,
    keys=("cleaning", "seed"),
    build=_build,
    modules=_modules,
)
