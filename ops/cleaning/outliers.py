"""Rows or values that are unlike the training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

import polars as pl
from pydantic import Field, model_validator

from ops.cleaning.outlier_scores import BY_COLUMN, Method, Scorer, column_scores, summary
from ops.cleaning.sampling import sampled
from ops.columns import dropped_where, require
from ops.errors import BadData, ConfigError
from ops.fitting import FittedStep
from ops.steps import Outcome

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

THRESHOLDS: Mapping[str, float] = {"zscore": 3.0, "mad": 3.5, "iqr": 1.5}


class Outliers(FittedStep):
    """Drop rows that are unlike the training rows, or make their values null, so that a later `impute` fills them.

    By column, against a threshold: `zscore` |x - mean| / deviation; `mad` 0.6745 · |x - median| / MAD (Iglewicz and
    Hoaglin, 1993); `iqr` the distance beyond the quartiles in interquartile ranges (Tukey, 1977). A column without
    spread (a MAD of zero) scores zero everywhere.

    By row, over all columns together, where the scores beyond those of a share of the training rows are outliers:
    `isolation_forest` (Liu et al., 2008) and `local_outlier_factor` (Breunig et al., 2000), of scikit-learn, both from
    a sample of the training rows. `auto` ranks a row among the sample by each of the five methods and takes the highest
    rank: an outlier to any of them is one. What is missing is no outlier by column, and counts as the median by row.
    """

    kind: Literal["outliers"] = "outliers"
    """Rows or values unlike the training rows dropped or made null."""
    columns: Annotated[list[str], Field(min_length=1)]
    """The columns of numbers to look at."""
    method: Method | Literal["auto"] = "auto"
    """How; the first three look at one column at a time, the others at whole rows."""
    threshold: Annotated[float, Field(gt=0.0)] | None = None
    """For methods by column: scores above are outliers (by default zscore 3, mad 3.5, iqr 1.5)."""
    share: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.01
    """For methods by row: about this share of the training rows are outliers."""
    action: Literal["drop", "null"] = "drop"
    """What happens: the row is dropped; or the value (by row: each of the columns) becomes null."""
    neighbours: Annotated[int, Field(ge=1, le=1000)] = 20
    """Rows that the local outlier factor compares a row with."""
    sample: Annotated[int, Field(ge=10, le=20_000)] = 5000
    """Training rows that the methods by row know, chosen by their content."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})

    @model_validator(mode="after")
    def _settings(self) -> Outliers:
        if self.threshold is not None and self.method not in BY_COLUMN:
            raise ValueError(f"{self.method} has no threshold, but a share")
        return self

    def needed(self) -> Sequence[str]:
        """The columns."""
        return self.columns

    @property
    def writes(self) -> frozenset[str]:
        """The columns, where values become null."""
        return frozenset(self.columns if self.action == "null" else ())

    def fit(self, train: pl.DataFrame, seed: int) -> dict[str, Any]:
        """Summaries of the columns; for methods by row the sample and the limit."""
        import numpy as np

        values = self._values(train)
        empty = [name for name, column in zip(self.columns, values.T, strict=True) if not np.isfinite(column).any()]
        if empty:
            raise BadData(f"outliers: column {empty[0]!r} has no finite value in any training row")
        learned: dict[str, Any] = {"summaries": [summary(column) for column in values.T]}
        if self.method in BY_COLUMN:
            return learned
        rows = sampled(values, self.sample)
        learned["sample"] = [[None if value != value else value for value in row] for row in rows.tolist()]
        return learned | {"limit": float(np.quantile(self._row_scores(rows, learned), 1.0 - self.share))}

    def use(self, table: pl.DataFrame, learned: Mapping[str, Any]) -> Outcome:
        """Return the table without the outliers; the evidence is the score, and by column the value."""
        values = self._values(table)
        if self.method in BY_COLUMN:
            scores = column_scores(values, learned["summaries"], self.method)
            return self._by_column(table, scores)
        return self._by_row(table, self._row_scores(values, learned), learned["limit"])

    def score(self, table: pl.DataFrame, learned: Mapping[str, Any]) -> NDArray[np.float64]:
        """(N,) how unlike the training rows each row is; methods by column are averaged over the columns."""
        return self._row_scores(self._values(table), learned)

    def evidence(self, learned: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The summary of each column; for methods by row the limit too."""
        limit = {"limit": learned["limit"]} if "limit" in learned else {"limit": self._threshold}
        return [
            {"column": name, "method": self.method, **limit, **summary}
            for name, summary in zip(self.columns, learned["summaries"], strict=True)
        ]

    @property
    def _threshold(self) -> float:
        return THRESHOLDS[self.method] if self.threshold is None else self.threshold

    def _row_scores(self, values: NDArray[np.float64], learned: Mapping[str, Any]) -> NDArray[np.float64]:
        import numpy as np

        sample = np.array(learned.get("sample", []), np.float64).reshape(-1, len(self.columns))
        scorer = Scorer(learned["summaries"], sample, self.neighbours)
        if self.method != "auto":
            return scorer.scores(values, self.method)
        return np.asarray(np.max([scorer.ranks(values, method) for method in get_args(Method)], axis=0))

    def _by_column(self, table: pl.DataFrame, scores: NDArray[np.float64]) -> Outcome:
        beyond = scores > self._threshold
        if self.action == "null":
            marks = {name: pl.Series(beyond[:, place]) for place, name in enumerate(self.columns)}
            return self._nulled(table, marks)
        worst = pl.Series(scores.argmax(axis=1))
        names = pl.Series(self.columns)[worst] if table.height else pl.Series([], dtype=pl.String)
        shown = [table[name].cast(pl.String) for name in self.columns]
        value = pl.select(pl.coalesce(pl.when(names == s.name).then(s) for s in shown)).to_series()
        proof = pl.select(pl.format("{} scores {}", value, pl.Series(scores.max(axis=1)).round(3))).to_series()
        return dropped_where(table, names.set(pl.Series(~beyond.any(axis=1)), None), proof, step=self.kind)

    def _by_row(self, table: pl.DataFrame, scores: NDArray[np.float64], limit: float) -> Outcome:
        beyond = pl.Series(scores > limit)
        if self.action == "null":
            return self._nulled(table, {name: beyond & table[name].is_not_null() for name in self.columns})
        reason = pl.Series([self.method]).new_from_index(0, table.height).set(~beyond, None)
        return dropped_where(table, reason, pl.Series(scores).round(4), step=self.kind)

    def _nulled(self, table: pl.DataFrame, marks: Mapping[str, pl.Series]) -> Outcome:
        columns = [table[name].set(mark, None) for name, mark in marks.items()]
        return Outcome.mapped(table.with_columns(columns), {name: int(mark.sum()) for name, mark in marks.items()})

    def _values(self, table: pl.DataFrame) -> NDArray[np.float64]:
        require(table, self.columns, step=self.kind)
        for name in self.columns:
            if not table.schema[name].is_numeric():
                raise ConfigError(f"outliers: column {name!r} is {table.schema[name]}, which is no number")
        return table.select(pl.col(self.columns).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
