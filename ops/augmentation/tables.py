"""Copies of rows of tables: which rows get some, and what a kind of change of them is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

import polars as pl
from pydantic import Field

from ops.augmentation.base import Change
from ops.columns import require
from ops.errors import BadData, ConfigError
from ops.steps import Outcome

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LABEL = "label"


class TableChange(Change):
    """A change of columns of numbers. A subclass adds `kind: Literal[...]`, its settings and `moved`."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"table"})

    columns: Annotated[list[str], Field(min_length=1)]
    """The columns of numbers that are changed."""

    def moved(
        self, values: NDArray[np.float64], labels: pl.Series, pool: pl.DataFrame, seeds: NDArray[np.uint64]
    ) -> NDArray[np.float64]:
        """The changed values (N, C), each row a pure function of the row, its seed and the pool.

        Args:
            values: (N, C) of the rows to change.
            labels: (N,) their classes.
            pool: all training rows of the partition, as they are.
            seeds: (N,) what each row draws from.
        """
        raise TypeError(f"{type(self).__name__} has no moved")

    def alter(self, rows: pl.DataFrame, pool: pl.DataFrame, seeds: NDArray[np.uint64]) -> pl.DataFrame:
        """The rows with their columns changed (`Float64`), but for those that the probability leaves as they are."""
        import numpy as np

        values = numbers(rows, self.columns, str(self.kind))
        labels = rows[LABEL] if LABEL in rows.columns else pl.Series(LABEL, [0]).new_from_index(0, rows.height)
        changed = self.moved(values, labels, pool, seeds)
        spared = uniform(seeds, 0) >= self.probability
        result = np.where(spared[:, None], values, changed)
        return rows.with_columns(pl.Series(name, result[:, place]) for place, name in enumerate(self.columns))


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
            copy = step.alter(copy, train, row_seeds(due["id"], seed, number, place))
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


def row_seeds(ids: pl.Series, seed: int, copy: int, place: int) -> NDArray[np.uint64]:
    """(N,) what each row draws from for a copy and a step: the first 8 bytes of a SHA-256."""
    import numpy as np

    # A loop over rows, of one call into OpenSSL each.
    digests = (hashlib.sha256(f"{seed}/{copy}/{place}/{row}".encode()).digest()[:8] for row in ids)
    return np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)


def uniform(seeds: NDArray[np.uint64], number: int) -> NDArray[np.float64]:
    """(N,) the number-th draw of each row, even in [0, 1)."""
    import numpy as np

    from ops.cleaning.sampling import mixed

    state = mixed(seeds ^ mixed(np.full(1, number, np.uint64)))
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53
