"""Values that contradict what their column is declared to hold: type, allowed values, pattern, range."""

from __future__ import annotations

import datetime as dt
import math
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import AfterValidator, Field, model_validator

from ops.columns import require
from ops.config import Config
from ops.errors import ConfigError
from ops.steps import Facts, Outcome, Step

_EVIDENCE_CHARACTERS = 100
_INTEGER = r"^[+-]?[0-9]+$"
_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_CLOCK = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?"
_OFFSET = r"[+-]([01][0-9]|2[0-3]):?[0-5][0-9]"
_DATETIME = rf"^([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})[T ]({_CLOCK})(Z|{_OFFSET})?$"


def check_pattern(pattern: str) -> str:
    """Return the pattern if the regular expression engine of polars (Rust `regex`) takes it, else `ValueError`."""
    try:
        pl.Series([""]).str.contains(pattern, strict=True)
    except pl.exceptions.ComputeError as error:
        raise ValueError(f"not a regular expression: {' '.join(str(error).split())[:200]}") from error
    return pattern


Pattern = Annotated[str, AfterValidator(check_pattern)]


class Rule(Config):
    """What one column may hold. Nulls break `required` only; NaN is no value there, and breaks every bound."""

    required: bool = False
    """Whether the value must be there."""
    type: Literal["integer", "number", "boolean", "date", "datetime"] | None = None
    """What a text must be readable as: integer of 64 bits, finite decimal number, true/false, ISO 8601 date or time."""
    allowed: Annotated[list[str | int | float | bool], Field(min_length=1)] | None = None
    """The values that may occur, in the column's own type."""
    pattern: Pattern | None = None
    """A regular expression (Rust syntax) that must match the whole text."""
    minimum: int | float | None = None
    """Smallest value, inclusive; texts are read as numbers."""
    maximum: int | float | None = None
    """Largest value, inclusive; texts are read as numbers."""

    @model_validator(mode="after")
    def _something(self) -> Rule:
        if self == Rule.model_construct():
            raise ValueError("a rule without any condition; give required, type, allowed, pattern, minimum or maximum")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}")
        return self

    def conditions(self, column: str, dtype: pl.DataType) -> dict[str, pl.Expr]:
        """By rule name an expression that is true where a value that is there keeps the rule."""
        value = pl.col(column)
        found: dict[str, pl.Expr] = {}
        if self.required:
            found["required"] = value.is_not_null() & (value.is_not_nan() if dtype.is_float() else pl.lit(True))
        if self.type is not None and dtype == pl.String:
            found["type"] = _readable(value, self.type)
        if self.allowed is not None:
            found["allowed"] = value.is_in(_typed(self.allowed, column, dtype))
        if self.pattern is not None:
            found["pattern"] = value.str.contains(rf"\A(?:{self.pattern})\z")
        for name, bound in (("minimum", self.minimum), ("maximum", self.maximum)):
            if bound is not None:
                found[name] = _bounded(value, dtype, bound, upper=name == "maximum")
        return found


class Consistency(Step):
    """Drop rows with a value that breaks its column's rule, or values that an earlier row has.

    The reason is `column.rule` of the first broken rule, in the order of the recipe's columns and of the rule's keys;
    the evidence is the value. Values are checked, not converted. Behind the rules `unique` looks at the rows that keep
    them, with the reason `unique.column+column` and the values as evidence.
    """

    kind: Literal["consistency"] = "consistency"
    """Rows that contradict the declared types, values, patterns, ranges or uniqueness dropped."""
    columns: dict[str, Rule] = {}
    """The rule of each column that has one."""
    unique: list[Annotated[list[str], Field(min_length=1)]] = []
    """Sets of columns whose values together occur once in a partition; the first row stays, nulls equal nothing."""

    @model_validator(mode="after")
    def _something(self) -> Consistency:
        if not self.columns and not self.unique:
            raise ValueError("give columns with rules, unique, or both")
        return self

    @property
    def compares_rows(self) -> bool:
        """With `unique`, the first row of several counts."""
        return bool(self.unique)

    @property
    def writes(self) -> frozenset[str]:
        """None: rows are dropped or stay as they are."""
        return frozenset()

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the rows that keep all rules."""
        require(table, [*self.columns, *(name for names in self.unique for name in names)], step=self.kind)
        outcome = self._ruled(table) if self.columns else Outcome(table)
        for names in self.unique:
            lone = self._distinct(outcome.kept, names)
            outcome = Outcome(lone.kept, pl.concat([outcome.dropped, lone.dropped]))
        return outcome

    def _ruled(self, table: pl.DataFrame) -> Outcome:
        broken: list[tuple[str, str, pl.Expr]] = []
        for column, rule in self.columns.items():
            self._check_type(column, rule, table.schema[column])
            for name, kept in rule.conditions(column, table.schema[column]).items():
                # No answer (a text that is no number has no minimum) breaks the rule; no value breaks only `required`.
                exempt = pl.lit(False) if name == "required" else pl.col(column).is_null()
                broken.append((column, name, ~(kept.fill_null(False) | exempt)))
        if not broken:
            return Outcome(table)
        keep = table.select((~pl.any_horizontal(breaks for _, _, breaks in broken)).alias("keep"))["keep"]
        # Words are found for the few rows that need them.
        reason, evidence = pl.lit(None, dtype=pl.String), pl.lit(None, dtype=pl.String)
        for column, name, breaks in reversed(broken):
            reason = pl.when(breaks).then(pl.lit(f"{column}.{name}")).otherwise(reason)
            shown = pl.col(column).cast(pl.String, strict=False).str.head(_EVIDENCE_CHARACTERS)
            evidence = pl.when(breaks).then(shown).otherwise(evidence)
        never = pl.lit(False)
        wrong = Outcome.split(table.filter(~keep), keep=never, step=self.kind, reason=reason, evidence=evidence)
        return Outcome(table.filter(keep), wrong.dropped)

    def _distinct(self, table: pl.DataFrame, names: list[str]) -> Outcome:
        there = pl.all_horizontal(pl.col(name).is_not_null() for name in names)
        keep = ~there | pl.struct(names).is_first_distinct()
        values = pl.concat_str([pl.col(name).cast(pl.String, strict=False) for name in names], separator=" | ")
        reason = f"unique.{'+'.join(names)}"
        shown = values.str.head(_EVIDENCE_CHARACTERS)
        return Outcome.split(table, keep=keep, step=self.kind, reason=reason, evidence=shown)

    def _check_type(self, column: str, rule: Rule, dtype: pl.DataType) -> None:
        if rule.pattern is not None and dtype != pl.String:
            raise ConfigError(f"{self.kind}: a pattern is for text, column {column!r} is {dtype}")
        if (rule.minimum is not None or rule.maximum is not None) and not (dtype == pl.String or dtype.is_numeric()):
            raise ConfigError(f"{self.kind}: minimum and maximum are for numbers, column {column!r} is {dtype}")
        if rule.type is not None and dtype != pl.String and not _holds(rule.type, dtype):
            raise ConfigError(f"{self.kind}: column {column!r} is declared {rule.type} and is {dtype}")


def _readable(text: pl.Expr, kind: str) -> pl.Expr:
    """Whether all of a text can be read as the kind; null or false where not."""
    if kind == "integer":
        return text.str.contains(_INTEGER) & text.str.strip_prefix("+").cast(pl.Int64, strict=False).is_not_null()
    if kind == "number":
        return text.str.contains(_NUMBER) & text.cast(pl.Float64, strict=False).is_finite()
    if kind == "boolean":
        return text.str.contains(r"(?i)^(true|false)$")
    if kind == "date":
        return text.str.contains(_DATE) & text.str.to_date("%Y-%m-%d", strict=False).is_not_null()
    day = text.str.extract(_DATETIME, 1).str.to_date("%Y-%m-%d", strict=False)
    clock = text.str.extract(_DATETIME, 2)
    hour, minute = clock.str.slice(0, 2).cast(pl.Int32), clock.str.slice(3, 2).cast(pl.Int32)
    second = clock.str.slice(6, 2).str.replace("^$", "0").cast(pl.Int32)
    return day.is_not_null() & (hour < 24) & (minute < 60) & (second <= 60)


def _bounded(value: pl.Expr, dtype: pl.DataType, bound: float, *, upper: bool) -> pl.Expr:
    """Whether numbers, or texts read as such, keep a bound; whole numbers are compared as such, NaN keeps none."""
    if dtype == pl.String:
        whole = pl.when(value.str.contains(_INTEGER)).then(value.str.strip_prefix("+").cast(pl.Int64, strict=False))
        number = value.cast(pl.Float64, strict=False)
        kept = _bounded(number, pl.Float64(), bound, upper=upper)
        return pl.when(whole.is_null()).then(kept).otherwise(_bounded(whole, pl.Int64(), bound, upper=upper))
    if dtype.is_integer() and math.isfinite(bound):
        edge = math.floor(bound) if upper else math.ceil(bound)
        low, high = (int(pl.select(end).item()) for end in (dtype.min(), dtype.max()))  # type: ignore[attr-defined]
        if not low <= edge <= high:
            return pl.lit((edge > high) == upper)
        return value <= pl.lit(edge, dtype) if upper else value >= pl.lit(edge, dtype)
    # A column of 32 bits holds the bound to as many.
    exact = pl.lit(bound, dtype) if dtype.is_float() else pl.lit(bound)
    kept = value <= exact if upper else value >= exact
    return kept & value.is_not_nan() if dtype.is_float() else kept


def _holds(kind: str, dtype: pl.DataType) -> bool:
    holds: dict[str, bool] = {
        "integer": dtype.is_integer(),
        "number": dtype.is_numeric(),
        "boolean": dtype == pl.Boolean,
        "date": dtype == pl.Date,
        "datetime": isinstance(dtype, pl.Datetime),
    }
    return holds[kind]


def _typed(allowed: list[Any], column: str, dtype: pl.DataType) -> pl.Series:
    """The allowed values in the column's type, checked to be of it (YAML reads 007 as a number, "007" as text).

    Dates and times are texts in ISO 8601. Whole numbers that the type cannot hold do not occur.
    """
    if isinstance(dtype, pl.Date | pl.Datetime):
        return _moments(allowed, column, dtype)
    if not (dtype == pl.String or dtype == pl.Boolean or dtype.is_integer() or dtype.is_float()):
        raise ConfigError(f"consistency: column {column!r} is {dtype}, of which no values can be listed")
    wanted: type | tuple[type, ...] = str
    if dtype == pl.Boolean:
        wanted = bool
    elif dtype.is_integer():
        wanted = int
    elif dtype.is_float():
        wanted = (int, float)
    wrong = [
        value for value in allowed if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool)
    ]
    if wrong:
        raise ConfigError(f"consistency: column {column!r} is {dtype}, the allowed value {wrong[0]!r} is not")
    if dtype.is_integer():
        low, high = (int(pl.select(end).item()) for end in (dtype.min(), dtype.max()))  # type: ignore[attr-defined]
        allowed = [value for value in allowed if low <= value <= high]
    return (
        pl.Series(
            [float(value) for value in allowed] if dtype.is_float() else allowed,
            dtype=pl.Float64 if dtype.is_float() else dtype,
        )
        .cast(dtype)
        .implode()
    )


def _moments(allowed: list[Any], column: str, dtype: pl.Date | pl.Datetime) -> pl.Series:
    """Dates or times from texts; a time without an offset is in the column's zone."""
    found: list[dt.datetime] = []
    for value in allowed:
        try:
            found.append(dt.datetime.fromisoformat(value))
        except (ValueError, TypeError):
            hint = "write it as 2024-01-31, or 2024-01-31T12:00"
            raise ConfigError(
                f"consistency: column {column!r} is {dtype}, the allowed value {value!r} is not", hint=hint
            ) from None
    if isinstance(dtype, pl.Date):
        return pl.Series([moment.date() for moment in found], dtype=dtype).implode()
    zone = ZoneInfo(dtype.time_zone) if dtype.time_zone else None
    there = [moment if moment.tzinfo or zone is None else moment.replace(tzinfo=zone) for moment in found]
    plain = [moment.astimezone(dt.UTC).replace(tzinfo=None) if moment.tzinfo else moment for moment in there]
    times = pl.Series(plain, dtype=pl.Datetime(dtype.time_unit))
    return (
        times.dt.replace_time_zone("UTC").dt.convert_time_zone(dtype.time_zone) if dtype.time_zone else times
    ).implode()
