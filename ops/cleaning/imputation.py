"""The ways to fill missing values, on rows in their order: constants, neighbours in order, rows alike, and models."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from ops.cleaning.gaps import finite, group_numbers, missing, run_lengths
from ops.cleaning.sampling import sampled
from ops.errors import BadData
from ops.moments import mean_and_deviation, shrink

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Method = Literal["constant", "mean", "median", "mode", "forward_fill", "linear", "time", "knn", "iterative"]

CONSTANTS: tuple[Method, ...] = ("constant", "mean", "median", "mode")
ORDERED: tuple[Method, ...] = ("forward_fill", "linear", "time")
"""They look at the rows before and behind."""
MODELS: tuple[Method, ...] = ("knn", "iterative")
"""They look at the other columns of the row."""
WORDS: tuple[Method, ...] = ("constant", "mode", "forward_fill")
"""They work on values that are no numbers."""


_FAR = 1e6
"""Standard deviations beyond which everything is as far: a square of more might overflow."""


def is_number(dtype: pl.DataType) -> bool:
    """Whether a column's values can be averaged."""
    return dtype.is_numeric()


def learn(train: pl.DataFrame, columns: Sequence[str], predictors: Sequence[str], sample: int) -> dict[str, Any]:
    """What filling needs of the training rows: mean, median and mode of each column, and a sample of whole rows.

    Args:
        train: the training rows.
        columns: the columns to fill.
        predictors: the number columns that models look at; no sample where there are none.
        sample: most rows of the sample.
    """
    found: dict[str, Any] = {"columns": {name: _summary(train[name]) for name in columns}}
    if predictors:
        rows = sampled(matrix(train, predictors), sample)
        found["sample"] = [[None if value != value else value for value in row] for row in rows.tolist()]
    return found


def _summary(values: pl.Series) -> dict[str, Any]:
    # Sorted, so that the last bit of a sum does not depend on the order of the partitions.
    known = values.filter(finite(values)).sort()
    if known.is_empty():
        return {"mode": None}
    counts = known.value_counts().sort("count", values.name, descending=[True, False])
    summary: dict[str, Any] = {"mode": counts[values.name][0]}
    if is_number(values.dtype):
        exact = known.cast(pl.Float64).to_numpy()
        factor = float(shrink(exact[0], exact[-1]))
        middle = pl.Series(exact * factor).median()
        summary |= {"mean": mean_and_deviation(exact)[0], "median": float(middle) / factor}  # type: ignore[arg-type]
    return summary


def matrix(table: pl.DataFrame, columns: Sequence[str]) -> NDArray[np.float64]:
    """(rows, columns) float64, NaN where a value is missing or infinite."""
    numbers = pl.col(list(columns)).cast(pl.Float64)
    return table.select(pl.when(numbers.is_finite()).then(numbers).otherwise(float("nan")).name.keep()).to_numpy()


@dataclass
class Filling:
    """One table on its way to being filled, in the order of its rows.

    Attributes:
        table: the rows, sorted by group and order.
        groups: columns whose values tell series apart.
        order: the column that says when, or None where the place is all there is.
        predictors: the number columns that models look at.
        learned: what `learn` returned.
        neighbours: rows alike that are averaged by `knn`.
        value: what `constant` fills in.
    """

    table: pl.DataFrame
    groups: list[str]
    order: str | None
    predictors: Sequence[str]
    learned: Mapping[str, Any]
    neighbours: int
    value: Any = None
    _models: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @cached_property
    def _group(self) -> NDArray[np.int64]:
        return group_numbers(self.table, self.groups)

    def gaps(self, column: str) -> NDArray[np.int64]:
        """(N,) rows of the run of missing values that a row is in; 0 where the value is there."""
        return run_lengths(missing(self.table[column]).to_numpy(), self._group)

    def filled(self, column: str, method: Method) -> pl.Series:
        """The column with missing values filled by a method; null where the method has nothing to say."""
        values = self.table[column]
        known = values.set(~finite(values), None)
        if method in CONSTANTS:
            constant = self.value if method == "constant" else self.learned["columns"][column].get(method)
            return _constant(known, constant)
        if method == "forward_fill":
            return self.table.with_columns(known).select(_forward(column, self.groups))[column]
        if method in MODELS:
            return self._numbers(known, self._model(method)[:, list(self.predictors).index(column)])
        return self._numbers(known, self._interpolated(known, method))

    def _numbers(self, known: pl.Series, found: NDArray[np.float64]) -> pl.Series:
        fill = pl.Series(known.name, found).fill_nan(None)
        if known.dtype.is_integer():
            low, high = (pl.select(bound).item() for bound in (known.dtype.min(), known.dtype.max()))  # type: ignore[attr-defined]
            whole = fill.round().clip(float(low), float(high))
            # float(high) may be one more than the type holds.
            fill = whole.cast(known.dtype, strict=False).set(whole >= float(high), high)
        return known.zip_with(known.is_not_null(), fill.cast(known.dtype))

    def _interpolated(self, known: pl.Series, method: Method) -> NDArray[np.float64]:
        """On the line between the known values before and behind; beyond the first and last the nearest holds."""
        import numpy as np

        y = known.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        x = np.arange(len(y), dtype=np.float64) if method == "linear" else self._times()
        result = np.full(len(y), np.nan)
        bounds = np.flatnonzero(np.diff(self._group, prepend=-1, append=-1))
        for start, stop in pairwise(bounds):
            part = slice(int(start), int(stop))
            there = ~np.isnan(y[part])
            if there.any():
                factor = shrink(np.abs(y[part][there]).max())
                result[part] = np.interp(x[part], x[part][there], y[part][there] * factor) / factor
        return result

    def _times(self) -> NDArray[np.float64]:
        if self.order is None:
            raise TypeError("interpolation in time has an order")
        times = self.table[self.order]
        first = times.min()
        # Against the first: float64 holds microseconds since 1970 to a quarter of one only.
        since = times - first if first is not None else times
        return since.cast(pl.Int64 if since.dtype == pl.Duration else pl.Float64).cast(pl.Float64).to_numpy()

    def _model(self, method: Method) -> NDArray[np.float64]:
        """(N, C) the predictors' columns, filled by a model of the sample."""
        import numpy as np

        if method not in self._models:
            rows = matrix(self.table, self.predictors)
            sample = np.array(self.learned["sample"], dtype=np.float64).reshape(-1, len(self.predictors))
            lacking = np.isnan(rows).any(axis=1)
            if lacking.any():
                rows = rows.copy()
                try:
                    rows[lacking] = _modelled(sample, rows[lacking], method, self.neighbours)
                except ValueError as error:
                    columns = ", ".join(self.predictors)
                    raise BadData(f"impute: {method} cannot learn from the columns {columns}: {error}") from error
            self._models[method] = rows
        return self._models[method]


def _constant(known: pl.Series, constant: Any) -> pl.Series:
    if constant is None:
        return known
    if known.dtype.is_integer():
        low, high = (pl.select(bound).item() for bound in (known.dtype.min(), known.dtype.max()))  # type: ignore[attr-defined]
        constant = min(max(round(constant), low), high)
    return known.fill_null(pl.Series([constant], dtype=known.dtype)[0])


def _forward(column: str, groups: list[str]) -> pl.Expr:
    value = pl.col(column).forward_fill()
    return value.over(groups) if groups else value


def _modelled(
    sample: NDArray[np.float64], rows: NDArray[np.float64], method: Method, neighbours: int
) -> NDArray[np.float64]:
    """Rows filled by scikit-learn's imputer of the method, fitted on the sample, all columns brought to one scale."""
    import numpy as np

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Columns without any value, and models that have not converged: both are kept.
        low, high = np.nanmin(sample, axis=0), np.nanmax(sample, axis=0)
        empty = np.isnan(low)
        factor = np.where(empty, 1.0, shrink(low, high))
        sample, shrunk = sample * factor, rows * factor
        centre, spread = np.nanmean(sample, axis=0), np.nanstd(sample, axis=0)
        centre, spread = np.where(empty, 0.0, centre), np.where(empty | (spread == 0), 1.0, spread)
        known = (sample - centre) / spread
        imputer = _IMPUTERS[method](known, neighbours)
        scaled = ((shrunk - centre) / spread).clip(-_FAR, _FAR)
        filled = (imputer.fit(known).transform(scaled) * spread + centre) / factor
        filled = np.nan_to_num(filled, nan=np.nan)  # The largest numbers may be rounded up to infinity.
    filled[:, empty] = np.nan
    return np.where(np.isnan(rows), filled, rows)


def _knn(known: NDArray[np.float64], neighbours: int) -> Any:
    from sklearn.impute import KNNImputer

    return KNNImputer(n_neighbors=neighbours, keep_empty_features=True)


def _iterative(known: NDArray[np.float64], neighbours: int) -> Any:
    import numpy as np
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - makes the import below possible
    from sklearn.impute import IterativeImputer

    # Bounds, for a line through the sample can lead anywhere.
    low, high = np.nanmin(known, axis=0), np.nanmax(known, axis=0)
    low, high = np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)
    high = np.where(high > low, high, low + 1e-9)
    return IterativeImputer(random_state=0, min_value=low, max_value=high, keep_empty_features=True)


_IMPUTERS: Mapping[Method, Callable[[NDArray[np.float64], int], Any]] = {"knn": _knn, "iterative": _iterative}
