"""Series of rows: put in order, described by their training rows, and cut into examples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ops.steps import Outcome

if TYPE_CHECKING:
    from ops.recipe import Recipe
    from ops.tasks.forecasting import Forecasting

Numbers = NDArray[np.float64]

SPLITS = ("train", "valid", "test")
CALENDAR = 4
"""Features of the calendar: sine and cosine of the time of day, and of the time of year."""
_DAY_US = 86_400_000_000
_YEAR_US = 365.2425 * _DAY_US


def series_task(recipe: Recipe) -> Forecasting:
    """The recipe's task, which forecasts; only such recipes read series."""
    from ops.tasks.forecasting import Forecasting

    if not isinstance(recipe.task, Forecasting):
        raise TypeError(f"{recipe.task.kind} reads no series")
    return recipe.task


def ordered_rows(table: pl.DataFrame, task: Forecasting) -> Outcome:
    """The rows in the order of their moments, with the truth as `label`.

    Dropped are rows without a moment, those whose moment an earlier row has, and those that lack a feature. The truth
    may be missing: null.
    """
    there = Outcome.split(table, keep=pl.col(task.input).is_not_null(), step="input", reason="missing")
    rows = there.kept.sort(task.input, maintain_order=True)
    first = pl.col(task.input).is_first_distinct()
    once = Outcome.split(rows, keep=first, step="input", reason="repeated", evidence=pl.col(task.input))
    finite = [pl.col(name).cast(pl.Float64).is_finite().fill_null(False) for name in task.features]
    named = pl.coalesce(pl.when(~known).then(pl.lit(name)) for name, known in zip(task.features, finite, strict=True))
    whole = Outcome.split(once.kept, keep=pl.all_horizontal(finite), step="feature", reason="missing", evidence=named)
    truth = pl.col(task.label).cast(pl.Float32)
    label = pl.when(truth.is_finite()).then(truth).alias("__label")
    kept = whole.kept.with_columns(label).select(
        "id", task.input, *task.features, pl.col("__label").alias("label"), "split"
    )
    return Outcome(kept, pl.concat([there.dropped, once.dropped, whole.dropped]))


class Moments:
    """Mean and deviation of columns over the rows of several tables (Chan, Golub and LeVeque, 1983)."""

    def __init__(self, columns: int) -> None:
        self.count = np.zeros(columns)
        self.mean = np.zeros(columns)
        self._squares = np.zeros(columns)

    def update(self, values: Numbers) -> None:
        """Take in rows (N, columns); what is NaN does not count."""
        known = ~np.isnan(values)
        count = known.sum(axis=0)
        seen = count > 0
        mean = np.divide(np.where(known, values, 0.0).sum(axis=0), count, out=np.zeros(len(count)), where=seen)
        squares = (np.where(known, values - mean, 0.0) ** 2).sum(axis=0)
        total = np.maximum(self.count + count, 1)
        apart = np.where(seen, mean - self.mean, 0.0)
        self._squares += squares + apart**2 * self.count * count / total
        self.mean += apart * count / total
        self.count += count

    @property
    def std(self) -> Numbers:
        """Standard deviation of the population."""
        return np.asarray(np.sqrt(self._squares / np.maximum(self.count, 1)))


def series_statistics(tables: Iterable[pl.DataFrame], task: Forecasting) -> dict[str, Any]:
    """What a model needs to know of the training rows of all partitions, as the shards have them: the `SeriesSpec`."""
    features, label = Moments(len(task.features)), Moments(1)
    for table in tables:
        train = table.filter(pl.col("split") == "train")
        features.update(_floats(train, task.features))
        label.update(_floats(train, ["label"]))
    spread = np.where(features.std > 0, features.std, 1.0)
    calendar = CALENDAR if task.calendar else 0
    return {
        "features": len(task.features) + calendar,
        "history": task.history,
        "mean": [*features.mean.tolist(), *[0.0] * calendar],
        "std": [*spread.tolist(), *[1.0] * calendar],
        "target_mean": float(label.mean[0]),
        "target_std": float(label.std[0]) or 1.0,
    }


def step_values(table: pl.DataFrame, task: Forecasting) -> NDArray[np.float32]:
    """(N, F) what the model reads of each row: the features, and the calendar where it is asked for."""
    values = _floats(table, task.features)
    if task.calendar:
        moments = table[task.input].dt.epoch("us").to_numpy().astype(np.float64)
        angles = 2 * np.pi * np.stack([moments % _DAY_US / _DAY_US, moments % _YEAR_US / _YEAR_US], axis=1)
        values = np.concatenate([values, np.sin(angles), np.cos(angles)], axis=1)
    return np.ascontiguousarray(values, np.float32)


@dataclass(frozen=True, eq=False)
class Windows:
    """The examples in the rows of a partition.

    Attributes:
        last: (N,) the row that each ends with.
        split: (N,) number of its split.
        labels: (N, 2, horizon) truth (NaN where it is not known) and persistence of the rows behind it.
        incomplete: rows that no example ends with, by reason.
    """

    last: NDArray[np.int64]
    split: NDArray[np.int64]
    labels: NDArray[np.float32]
    incomplete: dict[str, int]


def windows(table: pl.DataFrame, task: Forecasting) -> Windows:
    """Cut the rows of one partition, ordered by their moments, into examples.

    A row is the last of an example if the `history` rows up to it and the `horizon` rows behind it follow each other
    without a gap, and those behind it are all of one split and known at least once. Reasons for the others, the first
    that holds: `history`, `horizon`, `split`, `label`.
    """
    rows = table.height
    moments = table[task.input].dt.epoch("us").to_numpy()
    gaps = np.zeros(rows, np.int64)
    gaps[1:] = np.cumsum(np.diff(moments) != task.minutes * 60_000_000)
    split = table["split"].replace_strict({name: n for n, name in enumerate(SPLITS)}, return_dtype=pl.Int64).to_numpy()
    turns = np.zeros(rows, np.int64)
    turns[1:] = np.cumsum(np.diff(split) != 0)
    truth = table["label"].cast(pl.Float32).fill_null(float("nan")).to_numpy()
    known = np.concatenate([[0], np.cumsum(~np.isnan(truth))])
    last = np.arange(rows)
    first, end = last - task.history + 1, last + task.horizon
    inside = np.minimum(end, rows - 1) if rows else end
    after = np.minimum(last + 1, rows - 1) if rows else last
    broken = {
        "history": (first < 0) | (gaps[np.maximum(first, 0)] != gaps[last]),
        "horizon": (end >= rows) | (gaps[inside] != gaps[last]),
        "split": turns[inside] != turns[after],
        "label": known[inside + 1] - known[after] == 0,
    }
    left, incomplete = np.ones(rows, bool), dict[str, int]()
    for reason, where in broken.items():
        count = int((left & where).sum())
        incomplete |= {reason: count} if count else {}
        left &= ~where
    chosen = np.flatnonzero(left)
    past = table[task.past_column].cast(pl.Float32).to_numpy()
    ahead = chosen[:, None] + np.arange(1, task.horizon + 1)
    labels = np.stack([truth[ahead], past[ahead - task.horizon]], axis=1).astype(np.float32)
    return Windows(chosen, split[chosen + 1] if len(chosen) else chosen, labels, incomplete)


def _floats(table: pl.DataFrame, columns: list[str]) -> Numbers:
    """(N, columns) with NaN for null."""
    return table.select(pl.col(columns).cast(pl.Float64).fill_null(float("nan"))).to_numpy().reshape(-1, len(columns))
