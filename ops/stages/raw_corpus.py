"""raw_corpus: one partition of the source, as it is; what does not parse is kept as rejects.

With partitions by month the first one also keeps the rejects, and as such the rows that are in no month of the recipe.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import polars as pl

from ops.deduplication.hashing import row_hashes
from ops.errors import Temporary
from ops.recipe import Monthly, Recipe
from ops.sources.base import Batch
from ops.sources.rejects import REJECTS_SCHEMA
from ops.stages.spec import Build, Stage
from ops.storage import Counts, sha256_json


def _config(recipe: Recipe) -> dict[str, Any]:
    return {"source": recipe.source.identity(), **recipe.part("partitions"), "known_by": recipe.known_by}


def _natural_key(recipe: Recipe, partition: str) -> str | None:
    return partition if recipe.partitions.by is not None else None


_seen: ContextVar[dict[str, str] | None] = ContextVar("_seen", default=None)


@contextmanager
def looking_once() -> Iterator[None]:
    """Within the block each source is hashed once, however many partitions ask: a plan, or a run, is of one moment."""
    token = _seen.set({} if (seen := _seen.get()) is None else seen)
    try:
        yield
    finally:
        _seen.reset(token)


def looks_once() -> bool:
    """Whether this is within such a block."""
    return _seen.get() is not None


def _external(recipe: Recipe, partition: str) -> str:
    natural = _natural_key(recipe, partition)
    seen = _seen.get()
    if seen is None:
        return str(recipe.source.external(natural))
    key = sha256_json({"source": recipe.source.identity(), "natural": natural})
    if key not in seen:
        seen[key] = str(recipe.source.external(natural))
    return seen[key]


KEPT_BYTES = 64 << 20
"""Rows of a source that a process keeps for its next partition, at most; a larger source is read for each anew."""

_kept: dict[str, list[Batch]] = {}
"""The batches of the source that was read last, by its settings and content."""


class _Reader:
    """The batches of a partition; those of a small source that has several are read once in each process."""

    def __init__(self, build: Build, natural: str | None) -> None:
        self._source, self._natural = build.recipe.source, natural
        several = natural is None and len(build.recipe.partition_keys()) > 1
        parts = {"source": build.recipe.source.identity(), "content": build.external}
        self._name = sha256_json(parts) if several else None
        self._read: list[Batch] = []

    def __iter__(self) -> Iterator[Batch]:
        there = _kept.get(self._name) if self._name is not None else None
        if there is not None:
            yield from there
            return
        size = 0.0
        for batch in self._source.read(self._natural):
            size += batch.table.estimated_size() + batch.rejects.estimated_size()
            if size > KEPT_BYTES:
                self._name = None
                self._read.clear()
            if self._name is not None:
                self._read.append(batch)
            yield batch

    def keep(self) -> None:
        """Keep what was read, when it is sure that it is the content that was asked for."""
        if self._name is not None and self._name not in _kept:
            _kept.clear()
            _kept[self._name] = self._read


def _build(build: Build) -> Counts:
    recipe, partition = build.recipe, build.partition
    reader = _Reader(build, _natural_key(recipe, partition))
    tables: list[pl.DataFrame] = []
    reasons: Counter[str] = Counter()
    with build.output.rows("rejects.parquet", REJECTS_SCHEMA) as rejects:
        for batch in reader:
            if recipe.partitions.monthly is not None:
                table, rejected = _month(batch, recipe.partitions.monthly, partition)
            else:
                table = _share(batch.table, recipe, partition, recipe.known_by)
                rejected = _share(batch.rejects, recipe, partition, ["excerpt"])
            tables.append(table)
            rejects.write(rejected)
            reasons.update(dict(rejected.group_by("reason").len().iter_rows()))
    schema = dict(recipe.source.columns)
    table = pl.concat(tables, how="diagonal") if tables else pl.DataFrame(schema=schema)
    identity = pl.format("{}/{}", pl.lit(partition), pl.int_range(pl.len(), dtype=pl.Int64)).alias("id")
    build.output.parquet("data.parquet", table.select(identity, pl.all()))
    if recipe.source.external(_natural_key(recipe, partition)) != build.external:
        raise Temporary("the source changed while it was read", hint="run again when nothing writes to it any more")
    reader.keep()
    rejected_by = dict(sorted(reasons.items()))
    return Counts(rows_in=table.height + rejects.height, rows_out=table.height, rejected=rejected_by)


def _share(table: pl.DataFrame, recipe: Recipe, partition: str, columns: list[str]) -> pl.DataFrame:
    """The rows that belong to a partition by the hash of `columns`; all rows unless partitioned by hash."""
    count = recipe.partitions.hash
    if count is None or table.is_empty():
        return table
    # The last byte pair of a 16-byte hash: uniform, and the same whatever else the table holds.
    index = row_hashes(table, columns)[:, -2:].copy().view("<u2").ravel() % count
    return table.filter(pl.Series(index) == int(partition))


def _month(batch: Batch, months: Monthly, partition: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of a month, and the rejects that are kept with it: with the first month all of them."""
    month = batch.table[months.column].dt.strftime("%Y-%m").cast(pl.String)
    table = batch.table.filter(month == partition)
    if partition != months.start:
        return table, batch.rejects.clear()
    outside = batch.table.with_columns(month.alias("__month")).filter(
        month.is_null() | (month < months.start) | (month > months.end)
    )
    reason = pl.when(pl.col("__month").is_null()).then(pl.lit("no_month")).otherwise(pl.lit("other_month"))
    shown = pl.col(months.column).cast(pl.String).fill_null("no value")
    placed = {name: pl.col(name) if name in outside.columns else pl.lit(None) for name in ("file", "line")}
    rows = outside.select(
        placed["file"].cast(pl.String).alias("file"),
        placed["line"].cast(pl.Int64).alias("line"),
        pl.lit(None, pl.Int64).alias("offset"),
        reason.alias("reason"),
        pl.format("{}: {}", pl.lit(months.column), shown).alias("detail"),
        shown.cast(pl.Binary).alias("excerpt"),
    )
    return table, pl.concat([batch.rejects, rows])


RAW_CORPUS = Stage(
    name="raw_corpus",
    description="One partition of the source as it is, with its origin; records that do not parse are kept as rejects.",
    partitioned=True,
    inputs=(),
    config=_config,
    keys=("source", "partitions", "task"),
    build=_build,
    modules=lambda recipe: [type(recipe.source).__module__],
    external=_external,
    fetch=lambda recipe, progress: recipe.source.fetch(progress),
)
