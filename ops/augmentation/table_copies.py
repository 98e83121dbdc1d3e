"""Copies of rows of tables: which rows get some, and how kinds of change make them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import polars as pl

from ops.augmentation.tables import LABEL, TableChange, row_seeds
from ops.columns import require
from ops.errors import BadData, ConfigError
from ops.steps import Outcome

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def altered(step: TableChange, rows: pl.DataFrame, pool: pl.DataFrame, seeds: NDArray[np.uint64]) -> pl.DataFrame:
    """The rows with the step's columns changed (`Float64`); `pool` are all training rows, as they are."""
    values = numbers(rows, step.columns, str(step.kind))
    result = step.changed(values, step.kin(values, labels_of(rows), pool), seeds)
    return rows.with_columns(pl.Series(name, result[:, place]) for place, name in enumerate(step.columns))


def labels_of(rows: pl.DataFrame) -> pl.Series:
    """Their classes; all are of one where they have none."""
    return rows[LABEL] if LABEL in rows.columns else pl.Series(LABEL, [0]).new_from_index(0, rows.height)


def numbers(table: pl.DataFrame, columns: Sequence[str], kind: str) -> NDArray[np.float64]:
    """(N, C) the columns as float64.

    Raises:
        ConfigError: one is missing or holds no numbers.
        BadData: a value is missing or no finite number.
    """
    _check(table, columns, kind)
    if table.select(pl.any_horizontal(pl.col(name).null_count() > 0 for name in columns)).item():
        raise BadData(f"{kind}: a training row lacks a value", hint="fill missing values before: kind impute")
    numbers = table.select(pl.col(list(columns)).cast(pl.Float64))
    for name in columns:
        if not numbers[name].is_finite().all():
            raise BadData(
                f"{kind}: column {name!r} has a value that is no finite number", hint="impute or drop it before"
            )
    return numbers.to_numpy()


def _check(table: pl.DataFrame, columns: Sequence[str], kind: str) -> None:
    require(table, columns, step=kind)
    for name in columns:
        if not table.schema[name].is_numeric():
            raise ConfigError(f"{kind}: column {name!r} is {table.schema[name]}, which is no number")


def augmented(table: pl.DataFrame, steps: Sequence[TableChange], copies: int, balance: bool, seed: int) -> Outcome:
    """The rows, then the first copies of training rows, the second, and so on, each changed by the steps in turn."""
    rows = table.with_columns(pl.lit(0, dtype=pl.Int32).alias("copy"))
    for step in steps:
        _check(rows, step.columns, str(step.kind))
        rows = rows.with_columns(pl.col(step.columns).cast(pl.Float64))
    train = rows.filter(pl.col("split") == "train")
    made: list[pl.DataFrame] = []
    for number, due in _due(train, copies, balance, seed):
        copy = due
        for place, step in enumerate(steps):
            copy = altered(step, copy, train, row_seeds(due["id"], seed, number, place))
        names = pl.format("{}+{}", pl.col("id"), pl.lit(number)).alias("id")
        made.append(copy.with_columns(names, pl.lit(number, dtype=pl.Int32).alias("copy")))
    return Outcome(kept=pl.concat([rows, *made]), added=sum(copy.height for copy in made))


def _due(train: pl.DataFrame, copies: int, balance: bool, seed: int) -> Iterator[tuple[int, pl.DataFrame]]:
    """For each number of a copy the training rows that get it."""
    if balance:
        require(train, [LABEL], step="augmentation.balance")
        order = pl.Series("__draw", row_seeds(train["id"], seed, 0, 0))
        size, largest = pl.len().over(LABEL), train[LABEL].value_counts()["count"].max() or 0
        first = (pl.col("__draw").rank("ordinal").over(LABEL) <= (largest - size) % size).cast(pl.Int64)
        train = train.with_columns(order).with_columns(((largest - size) // size + first).alias("__due"))
    for number in range(1, copies + 1):
        due = train.filter(pl.col("__due") >= number).drop("__due", "__draw") if balance else train
        if due.height:
            yield number, due


def originals(shard: pl.DataFrame, columns: Sequence[str], steps: Sequence[TableChange]) -> list[bytes]:
    """What changes on the fly read of each training row: its numbers in 64 bits, and behind them each step's kin."""
    import numpy as np

    train = shard.filter(pl.col("split") == "train")
    parts = [train.select(pl.col(list(columns)).cast(pl.Float64)).to_numpy().reshape(train.height, len(columns))]
    for step in steps:
        values = numbers(train, step.columns, str(step.kind))
        size = step.kin_count * len(step.columns)
        parts.append(step.kin(values, labels_of(train), train).reshape(train.height, size))
    return [row.tobytes() for row in np.ascontiguousarray(np.hstack(parts), "<f8")]
