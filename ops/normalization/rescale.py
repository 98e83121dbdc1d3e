"""Columns of numbers on one scale, learned from the training rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import polars as pl
from pydantic import Field

from ops.columns import require
from ops.errors import BadData, ConfigError
from ops.fitting import FittedStep
from ops.normalization.scaling import Method, learned_scale, scaled, unscaled
from ops.steps import Outcome

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Rescale(FittedStep):
    """Bring columns of numbers to a scale (`Float64`); the values it needs are learned from the training rows.

    `minmax`: (x - min) / (max - min). `zscore`: (x - mean) / standard deviation (of the population). `robust`:
    (x - median) / (third quartile - first). `decimal`: x / 10^j, with the least j ≥ 0 that leaves all below 1. `log`:
    sign(x) · log(1 + |x|). A spread of zero counts as one. Nulls stay null; values beyond those of training get beyond
    the scale. What was learned lies in the statistics, and `invert` takes predictions back to the column's own unit.
    """

    kind: Literal["rescale"] = "rescale"
    """Columns of numbers on one scale."""
    columns: Annotated[list[str], Field(min_length=1)]
    """The columns of numbers."""
    method: Method = "zscore"
    """The scale."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"table"})

    def needed(self) -> Sequence[str]:
        """The columns."""
        return self.columns

    def fit(self, train: pl.DataFrame, seed: int) -> dict[str, Any]:
        """The scale of each column."""
        self._check(train)
        found: dict[str, Any] = {}
        for name in self.columns:
            values = _numbers(train[name])
            if self.method != "log" and not (abs(values) < float("inf")).any():
                raise BadData(f"rescale: column {name!r} has no finite value in any training row")
            found[name] = learned_scale(values, self.method)
            if found[name]["spread"] == float("inf"):
                raise BadData(f"rescale: column {name!r} has values too large for {self.method}", hint="use log")
        return {"columns": found}

    def use(self, table: pl.DataFrame, learned: Mapping[str, Any]) -> Outcome:
        """Return the table with the columns on their scales, each value counted as changed."""
        self._check(table)
        new = [
            self._mapped(table[name], scaled(_numbers(table[name]), learned["columns"][name])) for name in self.columns
        ]
        changed = {name: table.height - table[name].null_count() for name in self.columns}
        return Outcome.mapped(table.with_columns(new), changed)

    def invert(self, table: pl.DataFrame, learned: Mapping[str, Any]) -> pl.DataFrame:
        """Take the columns back to their own units, those of them that the table has."""
        there = [name for name in self.columns if name in table.columns]
        return table.with_columns(
            self._mapped(table[name], unscaled(_numbers(table[name]), learned["columns"][name])) for name in there
        )

    def evidence(self, learned: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Centre and spread of each column."""
        return [{"column": name, "method": self.method, **scale} for name, scale in learned["columns"].items()]

    def _mapped(self, old: pl.Series, new: NDArray[np.float64]) -> pl.Series:
        return pl.Series(old.name, new).set(old.is_null(), None)

    def _check(self, table: pl.DataFrame) -> None:
        require(table, self.columns, step=self.kind)
        for name in self.columns:
            if not table.schema[name].is_numeric():
                raise ConfigError(f"rescale: column {name!r} is {table.schema[name]}, which is no number")


def _numbers(values: pl.Series) -> NDArray[np.float64]:
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
