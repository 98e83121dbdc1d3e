"""Missing values filled in: by a method, or by the one that is least wrong where the value is known."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import polars as pl
from pydantic import Field, model_validator

from ops.cleaning.gaps import block_mask, cell_mask, finite, missing
from ops.cleaning.imputation import MODELS, ORDERED, WORDS, Filling, Method, is_number, learn
from ops.columns import require
from ops.errors import BadData, ConfigError
from ops.fitting import FittedStep
from ops.moments import shrink
from ops.steps import Outcome

AUTO: tuple[Method, ...] = ("mean", "median", "mode", "forward_fill", "linear", "time", "knn", "iterative")
"""The methods that `auto` may take; of equally good ones the first."""
JUDGED_ROWS = 20_000
_STRETCH = 1000

Gaps = Literal["short", "long"]


class Impute(FittedStep):
    """Fill missing values (null, and NaN), column by column. Every filled value is counted by column and method.

    Means, medians, modes and models are learned from the training rows only. Rows are looked at in the order of
    `order` within their `groups`; `forward_fill`, `linear` and `time` see the rows of one partition, of all splits.
    Infinities stay, and teach nothing.
    Beyond the first and last known value the nearest holds, but for `forward_fill`, which never looks ahead. What a
    method cannot say is filled with the training median, or with the mode where values are no numbers. Columns of
    integers stay so: fills are rounded.

    `knn` (Troyanskaya et al., 2001) averages the most similar training rows, `iterative` (van Buuren and
    Groothuis-Oudshoorn, 2011) predicts each column from the others; both know a sample of the training rows.

    `auto` hides known values of the training rows, single cells and, where there is an order, blocks of rows, and takes
    for each column the method with the least root mean squared error (for words: the least share of errors), one for
    gaps of up to half a block and one for longer ones. The errors of all methods are kept as evidence.
    """

    kind: Literal["impute"] = "impute"
    """Missing values filled in."""
    columns: Annotated[list[str], Field(min_length=1)]
    """The columns to fill."""
    method: Method | Literal["auto"] = "auto"
    """How; `auto` takes for each column what is least wrong on values that are known."""
    value: int | float | bool | str | None = None
    """What `constant` fills in."""
    order: str | None = None
    """The column (times or numbers) that rows are ordered by; without it they count as they lie."""
    groups: list[str] = []
    """Columns whose values tell series apart, as a station: nothing is filled from another series."""
    predictors: list[str] = []
    """More number columns that `knn` and `iterative` look at, beside those to fill."""
    neighbours: Annotated[int, Field(ge=1, le=100)] = 5
    """Similar rows that `knn` averages."""
    sample: Annotated[int, Field(ge=10, le=20_000)] = 2000
    """Training rows that `knn` and `iterative` know, chosen by their content."""
    hidden: Annotated[float, Field(gt=0.0, le=0.5)] = 0.1
    """Share of the known values that `auto` hides."""
    block: Annotated[int, Field(ge=2, le=10_000)] = 24
    """Rows of a hidden block."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})

    @model_validator(mode="after")
    def _settings(self) -> Impute:
        if (self.value is None) == (self.method == "constant"):
            raise ValueError("the method constant has a value, and no other has one")
        if isinstance(self.value, float) and not math.isfinite(self.value):
            raise ValueError(f"{self.value} is what is missing, no value to fill in")
        if self.method == "time" and self.order is None:
            raise ValueError("interpolation in time needs `order`, the column of times")
        twice = [name for name in (self.order, *self.groups) if name in self.columns]
        if twice:
            raise ValueError(f"{twice[0]!r} cannot be filled and be what rows are ordered or grouped by")
        return self

    def needed(self) -> Sequence[str]:
        """The columns to fill, their predictors, and what orders and groups the rows."""
        order = [] if self.order is None else [self.order]
        return list(dict.fromkeys([*self.columns, *self.predictors, *order, *self.groups]))

    def fit(self, train: pl.DataFrame, seed: int) -> dict[str, Any]:
        """Means, medians, modes, the sample of rows, and for `auto` the errors of the methods and the choice."""
        self._check(train)
        learned = learn(train, self.columns, self._predictors(train), self.sample)
        for name, summary in learned["columns"].items():
            if summary["mode"] is None and self.method != "constant":
                hint = "use method constant"
                raise BadData(f"impute: column {name!r} has no value in any training row that is finite", hint=hint)
        if self.method == "auto":
            learned["errors"] = self._judge(train, seed)
            learned["choice"] = {name: _best(learned["errors"], name) for name in self.columns}
        return learned

    def use(self, table: pl.DataFrame, learned: Mapping[str, Any]) -> Outcome:
        """Return the table without gaps, with the number of values filled by column and method."""
        self._check(table)
        filling = self._filling(self._sorted(table), learned)
        changed: dict[str, int] = {}
        columns: list[pl.Series] = []
        for name in self.columns:
            result, counts = self._fill(filling, name, self._choice(learned, name))
            columns.append(result)
            changed |= {f"{name}.{method}": count for method, count in counts.items()}
        filled = filling.table.with_columns(columns).sort("__place").drop("__place")
        return Outcome.mapped(filled, changed)

    def evidence(self, learned: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The error of each method by column and length of gap, and which was taken."""
        choice = learned.get("choice", {})
        return (
            [{**row, "taken": choice[row["column"]].get(row["gaps"]) == row["method"]} for row in learned["errors"]]
            if (choice)
            else []
        )

    def _fill(self, filling: Filling, name: str, choice: Mapping[Gaps, Method]) -> tuple[pl.Series, dict[str, int]]:
        gaps = filling.gaps(name)
        long = pl.Series(gaps > self.block // 2) if choice["long"] != choice["short"] else pl.Series(gaps < 0)
        gap = pl.Series(gaps > 0)
        counts: dict[str, int] = {}
        values = filling.table[name].set(gap, None)
        for method, places in ((choice["short"], gap & ~long), (choice["long"], gap & long)):
            if places.any():
                values = values.zip_with(~places, filling.filled(name, method))
                counts[method] = counts.get(method, 0) + int((places & values.is_not_null()).sum())
        left = int(values.is_null().sum())
        if left:
            usual: Method = "median" if is_number(values.dtype) else "mode"
            values = values.zip_with(values.is_not_null(), filling.filled(name, usual))
            counts[usual] = counts.get(usual, 0) + left
        if not finite(values.filter(gap)).all():
            raise BadData(f"impute: nothing finite can be filled into column {name!r} by {', '.join(counts)}")
        return values, counts

    def _choice(self, learned: Mapping[str, Any], name: str) -> Mapping[Gaps, Method]:
        if self.method != "auto":
            return {"short": self.method, "long": self.method}
        choice: dict[Gaps, Method] = learned["choice"][name]
        return {"short": choice["short"], "long": choice.get("long", choice["short"])}

    def _predictors(self, table: pl.DataFrame) -> list[str]:
        if self.method not in ("auto", *MODELS):
            return []
        names = [name for name in dict.fromkeys([*self.columns, *self.predictors]) if is_number(table.schema[name])]
        return names if len(names) > 1 or self.method in MODELS else []

    def _filling(self, table: pl.DataFrame, learned: Mapping[str, Any]) -> Filling:
        predictors = self._predictors(table)
        return Filling(table, self.groups, self.order, predictors, learned, self.neighbours, self.value)

    def _sorted(self, table: pl.DataFrame) -> pl.DataFrame:
        """The rows by group and order, with the column `__place` to go back by."""
        placed = table.with_columns(pl.int_range(pl.len()).alias("__place"))
        if self.order is not None and missing(table[self.order]).any():
            hint = "drop them before, by consistency with `required`"
            raise BadData(f"impute: rows without {self.order!r} have no place in the order", hint=hint)
        keys = [*self.groups, *([] if self.order is None else [self.order])]
        return placed.sort(keys, maintain_order=True) if keys else placed

    def _judged(self, train: pl.DataFrame, seed: int) -> pl.DataFrame:
        """The rows by group and order; where those say nothing, in an order drawn for their content.

        Neither partitions nor names of rows, which tell the partition, change it.
        """
        import numpy as np

        plain = train.sort(self.needed())
        drawn = np.random.default_rng(seed).permutation(plain.height)
        return self._sorted(plain[drawn])

    def _candidates(self, dtype: pl.DataType, predictors: Sequence[str]) -> list[Method]:
        possible = [method for method in AUTO if is_number(dtype) or method in WORDS]
        if self.order is None:
            possible = [method for method in possible if method not in ORDERED]
        return [method for method in possible if predictors or method not in MODELS]

    def _judge(self, train: pl.DataFrame, seed: int) -> list[dict[str, Any]]:
        """The errors of all methods on hidden values: one row for each column, kind of gap and method."""
        rows = _stretches(self._judged(train, seed), JUDGED_ROWS)
        patterns: tuple[Gaps, ...] = ("short",) if self.order is None else ("short", "long")
        return [row for gaps in patterns for row in self._errors(rows, gaps, seed)]

    def _errors(self, rows: pl.DataFrame, gaps: Gaps, seed: int) -> Iterator[dict[str, Any]]:
        masks = {name: pl.Series(self._hide(rows, name, gaps, seed)) for name in self.columns}
        masked = rows.with_columns(rows[name].set(mask, None) for name, mask in masks.items())
        predictors = self._predictors(rows)
        filling = self._filling(masked, learn(masked, self.columns, predictors, self.sample))
        for name, mask in masks.items():
            truth = rows[name].filter(mask)
            for method in self._candidates(rows.schema[name], predictors) if len(truth) else []:
                found = self._fill(filling, name, {"short": method, "long": method})[0].filter(mask)
                yield {"column": name, "gaps": gaps, "method": method, **_error(truth, found)}

    def _hide(self, rows: pl.DataFrame, name: str, gaps: Gaps, seed: int) -> Any:
        import numpy as np

        # Each column's draw is its own, so that another column more changes none.
        random = np.random.default_rng([seed, gaps == "long", *name.encode()])
        present = finite(rows[name]).to_numpy()
        if gaps == "short":
            return cell_mask(present, self.hidden, random)
        return block_mask(present, self.hidden, self.block, random)

    def _check(self, table: pl.DataFrame) -> None:
        require(table, self.needed(), step=self.kind)
        for name in self.columns:
            dtype = table.schema[name]
            if not is_number(dtype) and dtype not in (pl.String, pl.Boolean):
                raise ConfigError(f"impute: column {name!r} is {dtype}; numbers, texts and truth values can be filled")
            allowed = (*AUTO, "constant", "auto") if is_number(dtype) else (*WORDS, "auto")
            if self.method not in allowed:
                raise ConfigError(f"impute: {self.method} is for numbers, column {name!r} is {dtype}")
            if self.method == "constant" and not _fits(self.value, dtype):
                raise ConfigError(f"impute: column {name!r} is {dtype}, the value {self.value!r} is not")
        for name in self.predictors:
            if not is_number(table.schema[name]):
                raise ConfigError(f"impute: predictors are numbers, column {name!r} is {table.schema[name]}")
        if self.order is not None and not (
            table.schema[self.order].is_numeric() or table.schema[self.order].is_temporal()
        ):
            raise ConfigError(
                f"impute: rows are ordered by times or numbers, {self.order!r} is {table.schema[self.order]}"
            )


def _fits(value: Any, dtype: pl.DataType) -> bool:
    if dtype == pl.String:
        return isinstance(value, str)
    if dtype == pl.Boolean or isinstance(value, bool):
        return dtype == pl.Boolean and isinstance(value, bool)
    if not isinstance(value, int | float) or not (dtype.is_float() or float(value).is_integer()):
        return False
    try:
        return pl.Series([value if dtype.is_float() else int(value)]).cast(dtype).is_finite().all()
    except (pl.exceptions.PolarsError, OverflowError):
        return False


def _error(truth: pl.Series, found: pl.Series) -> dict[str, float | None]:
    if not is_number(truth.dtype):
        return {"wrong": float((truth != found).mean()), "rmse": None, "mae": None}  # type: ignore[arg-type]
    apart = (truth.cast(pl.Float64) - found.cast(pl.Float64)).abs().sort().to_numpy()
    factor = float(shrink(apart[-1]))
    errors = {"rmse": float(((apart * factor) ** 2).mean()) ** 0.5, "mae": float((apart * factor).mean())}
    # What is beyond all numbers is worse than any, and NaN is too.
    most = sys.float_info.max
    return {
        "wrong": None,
        **{key: min(error / factor, most) if error == error else most for key, error in errors.items()},
    }


def _best(errors: Sequence[Mapping[str, Any]], column: str) -> dict[Gaps, Method]:
    """By kind of gap the method of the least error; of equals the first. Without errors to go by the mode."""
    found: dict[Gaps, Method] = {}
    for gaps in ("short", "long"):
        rows = [row for row in errors if row["column"] == column and row["gaps"] == gaps]
        if rows:
            found[gaps] = min(rows, key=lambda row: row["rmse"] if row["wrong"] is None else row["wrong"])["method"]
    found.setdefault("short", found.get("long", "mode"))
    return found


def _stretches(table: pl.DataFrame, most: int) -> pl.DataFrame:
    """At most so many rows, as whole stretches of 1,000 that lie evenly over the table."""
    count = -(-table.height // _STRETCH)
    keep = max(1, most // _STRETCH)
    if count <= keep:
        return table
    chosen = [index * count // keep for index in range(keep)]
    return pl.concat([table.slice(index * _STRETCH, _STRETCH) for index in chosen])
