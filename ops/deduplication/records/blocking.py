"""Which pairs of rows are looked at: those that agree in something cheap."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from ops.errors import ConfigError

I64 = npt.NDArray[np.int64]

MOST_PAIRS = 50_000_000
"""Pairs of one way of blocking; more would not fit into the memory of a small machine."""


def by_key(keys: pl.DataFrame, largest: int, what: str) -> I64:
    """Pairs of rows with a key in common; a key of more than `largest` rows says nothing.

    Args:
        keys: columns `row` and `key`, without nulls; a row may have several keys.
        largest: rows of a key.
        what: names the way of blocking in the error.

    Returns:
        Pairs (smaller row, larger row), each once, sorted; shape (pairs, 2).

    Raises:
        ConfigError: there are too many.
    """
    rows = keys.unique().with_columns(pl.len().over("key").alias("rows")).filter(pl.col("rows").is_between(2, largest))
    number = int(rows.select((pl.col("rows") - 1).sum() / 2).item() or 0)
    if number > MOST_PAIRS:
        raise ConfigError(
            f"blocking by {what} makes {number:,} pairs of rows, {MOST_PAIRS:,} are allowed",
            hint="block by something that fewer rows share, or lower `largest`",
        )
    rows = rows.select(pl.col("row").cast(pl.Int64), pl.col("key").rank("dense").alias("key")).sort("key", "row")
    pairs = rows.join(rows, on="key", suffix="_other").filter(pl.col("row") < pl.col("row_other"))
    return pairs.select("row", "row_other").to_numpy().astype(np.int64).reshape(-1, 2)


def by_order(values: pl.Series, window: int) -> I64:
    """Pairs of rows that are less than `window` places apart when sorted by value (Hernández and Stolfo, 1995)."""
    order = pl.DataFrame({"row": np.arange(len(values)), "value": values}).drop_nulls().sort("value", "row")
    rows = order["row"].to_numpy()
    found = [np.stack([rows[:-apart], rows[apart:]], axis=1) for apart in range(1, min(window, len(rows)))]
    return np.sort(np.concatenate(found), axis=1) if found else np.empty((0, 2), np.int64)


def united(found: list[I64]) -> I64:
    """All pairs once, sorted."""
    if not found:
        return np.empty((0, 2), np.int64)
    pairs = np.concatenate(found)
    if len(pairs) == 0:
        return pairs
    span = int(pairs.max()) + 1
    keys = np.unique(pairs[:, 0] * span + pairs[:, 1])
    return np.stack([keys // span, keys % span], axis=1)
