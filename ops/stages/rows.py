"""Rows of tables: described by their training rows, brought to numbers, and packed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ops.errors import BadData
from ops.moments import mean_and_deviation

if TYPE_CHECKING:
    from ops.recipe import Recipe
    from ops.tasks.table_classification import TableClassification

_LARGEST = float(np.finfo(np.float32).max)


def row_task(recipe: Recipe) -> TableClassification:
    """The recipe's task, which reads rows; only such recipes have them."""
    from ops.tasks.table_classification import TableClassification

    if not isinstance(recipe.task, TableClassification):
        raise TypeError(f"{recipe.task.kind} reads no rows")
    return recipe.task


def row_statistics(tables: Iterable[pl.DataFrame], task: TableClassification) -> dict[str, Any]:
    """What a model needs to know of the training rows of all partitions, as normalisation leaves them.

    Returns:
        By column, `numbers`: mean and deviation; `categories`: the values in order.

    Raises:
        BadData: a feature has no value, or none that 32 bits hold, in a row of any split.
    """
    parts: list[pl.DataFrame] = []
    wrong = dict.fromkeys(task.features, 0)
    for table in tables:
        finite = table.select(_is_number(name).alias(name) for name in task.features)
        wrong = {name: count + int((~finite[name]).sum()) for name, count in wrong.items()}
        parts.append(
            table.filter(pl.col("split") == "train").select(*map(_number, task.features), *map(_name, task.categories))
        )
    _check_whole(wrong)
    train = pl.concat(parts)
    # Sorted, so that the last bit of a sum does not depend on the order of the partitions.
    moments = {name: mean_and_deviation(np.sort(train[name].to_numpy())) for name in task.features}
    return {
        "numbers": {name: {"mean": mean, "std": std or 1.0} for name, (mean, std) in moments.items()},
        "categories": {name: train[name].drop_nulls().unique().sort().to_list() for name in task.categories},
    }


def row_spec(found: Mapping[str, Any]) -> dict[str, Any]:
    """The `RowSpec` of what `row_statistics` found."""
    numbers = found["numbers"].values()
    return {
        "numbers": len(numbers),
        "categories": [1 + len(known) for known in found["categories"].values()],
        "mean": [one["mean"] for one in numbers],
        "std": [one["std"] for one in numbers],
    }


def coded(table: pl.DataFrame, task: TableClassification, found: Mapping[str, Any]) -> tuple[pl.DataFrame, int]:
    """Features as `Float64`, categories as numbers `Int32`; and how many values of categories are unknown.

    A category's number is its place among the known ones, from 1; 0 is for a value that training has not, and for none.
    """
    numbers = [
        _name(name).replace_strict(known, range(1, 1 + len(known)), default=0, return_dtype=pl.Int32).fill_null(0)
        if (known := found["categories"][name])
        else pl.lit(0, pl.Int32).alias(name)
        for name in task.categories
    ]
    done = table.with_columns(*map(_number, task.features), *numbers)
    there = table.select(pl.col(task.categories).is_not_null())
    unknown = sum(int(((done[name] == 0) & there[name]).sum()) for name in task.categories)
    return done, unknown


def row_values(table: pl.DataFrame, task: TableClassification) -> NDArray[np.float32]:
    """(N, F + K) what the model reads of each row of the shards."""
    values = table.select(pl.col(task.reads).cast(pl.Float64)).to_numpy().reshape(table.height, len(task.reads))
    return np.ascontiguousarray(values, np.float32)


def names_of(table: pl.DataFrame, task: TableClassification, found: Mapping[str, Any]) -> pl.DataFrame:
    """The table with the names of categories for their numbers; null for unknown ones."""
    back = [
        pl.Series(name, [None, *found["categories"][name]], pl.String).gather(table[name]).alias(name)
        for name in task.categories
    ]
    return table.with_columns(back)


def _check_whole(wrong: Mapping[str, int]) -> None:
    missing = {name: rows for name, rows in wrong.items() if rows}
    if missing:
        name, rows = next(iter(missing.items()))
        more = f", and of {len(missing) - 1} other features" if len(missing) > 1 else ""
        raise BadData(
            f"{rows} rows have no value of {name!r}, or none that 32 bits hold{more}",
            hint="fill it with `impute`, drop such rows with `consistency`, or bring large ones down with `rescale`",
        )


def _number(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Float64)


def _is_number(name: str) -> pl.Expr:
    value = _number(name)
    return (value.is_finite() & (value.abs() <= _LARGEST)).fill_null(False)


def _name(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.String)
