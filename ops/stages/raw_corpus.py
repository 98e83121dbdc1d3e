"""raw_corpus: one partition of the source, as it is; what does not parse is kept as rejects."""

from __future__ import annotations

from typing import Any

import polars as pl

from ops.deduplication.hashing import row_hashes
from ops.recipe import Recipe
from ops.sources.rejects import REJECTS_SCHEMA
from ops.stages.spec import Build, Stage
from ops.storage import Counts


def _config(recipe: Recipe) -> dict[str, Any]:
    return {**recipe.part("source", "partitions"), "input": recipe.task.input}


def _natural_key(recipe: Recipe, partition: str) -> str | None:
    return partition if recipe.partitions.by is not None else None


def _external(recipe: Recipe, partition: str) -> str:
    return str(recipe.source.external(_natural_key(recipe, partition)))


def _build(build: Build) -> Counts:
    recipe, partition = build.recipe, build.partition
    tables: list[pl.DataFrame] = []
    rejects: list[pl.DataFrame] = []
    for batch in recipe.source.read(_natural_key(recipe, partition)):
        tables.append(_share(batch.table, recipe, partition, recipe.task.input))
        rejects.append(_share(batch.rejects, recipe, partition, "excerpt"))
    schema = dict(recipe.source.columns)
    table = pl.concat(tables, how="diagonal") if tables else pl.DataFrame(schema=schema)
    rejected = pl.concat(rejects) if rejects else pl.DataFrame(schema=REJECTS_SCHEMA)
    identity = pl.format("{}/{}", pl.lit(partition), pl.int_range(pl.len(), dtype=pl.Int64)).alias("id")
    build.output.parquet("data.parquet", table.select(identity, pl.all()))
    build.output.parquet("rejects.parquet", rejected)
    reasons = dict(rejected.group_by("reason").len().sort("reason").iter_rows())
    return Counts(rows_in=table.height + rejected.height, rows_out=table.height, rejected=reasons)


def _share(table: pl.DataFrame, recipe: Recipe, partition: str, column: str) -> pl.DataFrame:
    """The rows that belong to a partition by the hash of `column`; all rows unless partitioned by hash."""
    count = recipe.partitions.hash
    if count is None or table.is_empty():
        return table
    # The last byte pair of a 16-byte hash: uniform, and the same whatever else the table holds.
    index = row_hashes(table, [column])[:, -2:].copy().view("<u2").ravel() % count
    return table.filter(pl.Series(index) == int(partition))


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
)
