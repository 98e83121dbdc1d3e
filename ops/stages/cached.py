"""The index of a token cache as stages write and read it: a table of its rows, numbers and ids apart."""

from __future__ import annotations

import polars as pl

from ops.storage import Output, Version
from ops.training.cache_files import IDS, INDEX, OLD_INDEX, SPLITS, outdated


def write_index(output: Output, rows: pl.DataFrame) -> None:
    """Write where each example is, and their ids in a file of their own, which training need not read."""
    output.arrow(INDEX, rows.drop("id").with_columns(pl.col("split").cast(pl.Enum(SPLITS))))
    output.arrow(IDS, rows.select("id"), packed=True)


def cached_rows(version: Version, columns: list[str] | None = None) -> pl.DataFrame:
    """The rows of a token cache: `id`, `offset`, `length`, `label` where there is one, `split` and `copy`.

    Args:
        version: the token cache of a partition.
        columns: those that are wanted, in this order.

    Raises:
        IntegrityError: an older version of Satiety has written the cache, or a file is not what the manifest says.
    """
    if version.manifest.entry(INDEX) is None and version.manifest.entry(OLD_INDEX) is not None:
        raise outdated(version.path)
    parts = [version.arrow(IDS)] if columns is None or "id" in columns else []
    wanted = None if columns is None else [column for column in columns if column != "id"]
    if wanted is None or wanted:
        parts.append(version.arrow(INDEX, wanted).with_columns(pl.col("^split$").cast(pl.String)))
    found = pl.concat(parts, how="horizontal")
    return found if columns is None else found.select(columns)
