"""Times in text or in parts, read by one format in one zone into moments of UTC, and put in order."""

from __future__ import annotations

import datetime as dt
import re
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import polars as pl
from pydantic import Field, field_validator, model_validator

from ops.cleaning.clock import UTC, earlier, lacking, phase, resolved
from ops.columns import dropped_where, require
from ops.errors import ConfigError
from ops.steps import DROPPED_SCHEMA, Facts, Outcome, Step

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_OFFSET = re.compile(r"%[:#]?z")
_TIME = "__time"

Duration = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}[smhdw]$")]


class Timestamps(Step):
    """Read times into a column of microseconds in UTC; what cannot be read, placed or trusted is dropped by name.

    Reasons: `missing`, `unreadable`; `nonexistent` (skipped when clocks go forward) and `ambiguous` (there twice when
    clocks go back), unless they are resolved; `off_grid`; `out_of_order`; `duplicate`. Evidence is the text, or the
    time. A text must match the format as a whole; `%f` is not guessed, and 24:00 is no time.

    Order, duplicates and gaps are looked at within the rows of one partition, and within `groups`. Filling a gap adds
    rows that have the time and the groups and nothing else, for a later `impute`.
    """

    kind: Literal["timestamps"] = "timestamps"
    """Times read, brought to UTC and put in order."""
    columns: Annotated[list[str], Field(min_length=1)]
    """The column of the text, or several (year, month, ...) that are joined by one space."""
    format: Annotated[str, Field(min_length=2)]
    """The format of the text as in `strftime`, as `%Y-%m-%d %H:%M:%S`, or `%Y %m %d %H` for four columns."""
    zone: str | None = None
    """The zone of the times, as `Asia/Shanghai` or `UTC`; null where the format has an offset (`%z`)."""
    output: str = "time"
    """Name of the new column."""
    ambiguous: Literal["drop", "earliest", "latest", "in_order"] = "drop"
    """Local times that there are twice: dropped, the first or second of the two, or as they come in order."""
    nonexistent: Literal["drop", "after"] = "drop"
    """Local times that clocks skip: dropped, or as long after the skip as they say (02:30 is 03:30 summer time)."""
    groups: list[str] = []
    """Columns whose values tell series apart, as a station."""
    order: Literal["sort", "drop", "keep"] = "sort"
    """Rows that are earlier than one before: all rows sorted by groups and time, these dropped, or left as they lie."""
    duplicates: Literal["drop", "keep"] = "drop"
    """Rows of a time that an earlier row has."""
    every: Duration | None = None
    """The time between rows, as `1h`: others are off the grid, which begins at midnight by the zone's standard time.
    Whole days are those of the zone's clocks, of 23 and 25 hours too, and weeks begin on Mondays."""
    gaps: Literal["count", "fill"] = "count"
    """Missing rows between the first and last: gaps counted, or filled with rows; needs `every` and sorted rows."""
    longest: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Rows of the longest gap that is filled; longer ones (a wrong year, say) are only counted, as `long_gap`."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        from zoneinfo import available_timezones

        if value is not None and value not in available_timezones():
            raise ValueError(f"there is no time zone {value!r}; zones are called as Europe/Berlin")
        return value

    @model_validator(mode="after")
    def _settings(self) -> Timestamps:
        if (self.zone is None) == (_OFFSET.search(self.format) is None):
            raise ValueError("give the zone of the times, or a format with an offset (%z), and not both")
        if self.output in ("id", *self.groups):
            raise ValueError(f"the output cannot be {self.output!r}, which tells rows or series apart")
        if self.gaps == "fill" and (self.every is None or self.order == "keep" or self.duplicates == "keep"):
            raise ValueError("gaps can be filled where `every` is given and rows are sorted and without duplicates")
        probe = pl.Series([dt.datetime(2001, 2, 3, 4, 0, tzinfo=dt.UTC)])
        try:
            readable = (
                self._read(probe.dt.strftime(self.format)).dt.date().eq(dt.date(2001, 2, 3)).fill_null(False).all()
            )
        except (pl.exceptions.PolarsError, ValueError):
            readable = False
        if not readable:
            raise ValueError(
                f"no time can be read by the format {self.format!r}; it needs at least year, month and day"
            )
        return self

    @property
    def compares_rows(self) -> bool:
        """Order, duplicates and gaps are of rows beside each other."""
        return True

    @property
    def writes(self) -> frozenset[str]:
        """The new column."""
        return frozenset([self.output])

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the rows with their moments, in order."""
        require(table, [*self.columns, *self.groups], step=self.kind)
        for name in self.columns:
            dtype = table.schema[name]
            if dtype != pl.String and not dtype.is_integer():
                raise ConfigError(f"{self.kind}: times are text or integers, column {name!r} is {dtype}")
        read = self._placed(table)
        ordered, out_of_order = self._ordered(read.kept)
        lone = self._distinct(ordered.kept)
        dropped = pl.concat([read.dropped, ordered.dropped, lone.dropped]).match_to_schema(DROPPED_SCHEMA)
        filled, gaps, long_gaps = self._gaps(lone.kept, table["id"])
        changed = {"sorted": out_of_order, "gap": gaps, "long_gap": long_gaps}
        result = filled.rename({_TIME: self.output}) if self.output == _TIME else self._named(filled)
        counts = {reason: count for reason, count in changed.items() if count}
        return Outcome(result, dropped, counts, filled.height - lone.kept.height)

    def _named(self, table: pl.DataFrame) -> pl.DataFrame:
        return table.drop(self.output, strict=False).rename({_TIME: self.output})

    def _read(self, text: pl.Series) -> pl.Series:
        """Local times without a zone, or moments of UTC where the format has an offset; null where it does not fit."""
        form = self.format
        if "%H" in form and not re.search(r"%[MTRXc]", form):
            # The parser wants minutes beside hours.
            form, text = f"{form} %M", text + " 00"
        return text.str.to_datetime(form, time_unit="us", strict=False)

    def _placed(self, table: pl.DataFrame) -> Outcome:
        """The rows with their moment in UTC; without those that have none, or not the one."""
        parts = [pl.col(name).cast(pl.String) for name in self.columns]
        text = table.select(pl.concat_str(parts, separator=" ").alias("text"))["text"]
        local = self._read(text)
        reason = pl.when(pl.lit(text).is_null()).then(pl.lit("missing")).when(pl.lit(local).is_null())
        marks = reason.then(pl.lit("unreadable"))
        moment = local
        if self.zone is not None:
            series = table.select(self.groups)
            moment, skipped, twice = resolved(local, series, self.zone, self.ambiguous, self.nonexistent)
            # A day that clocks skip has no time as long behind it.
            lost = skipped if self.nonexistent == "drop" else skipped & moment.is_null()
            marks = marks.when(pl.lit(lost)).then(pl.lit("nonexistent"))
            if self.ambiguous == "drop":
                marks = marks.when(pl.lit(twice)).then(pl.lit("ambiguous"))
        moment = moment.cast(UTC)
        # An offset may lead to a year that neither ISO 8601 nor Python has.
        marks = marks.when(pl.lit(~moment.dt.year().is_between(1, 9999))).then(pl.lit("unreadable"))
        if self.every is not None:
            off = phase(moment, self.zone, self._step) != 0
            marks = marks.when(pl.lit(off)).then(pl.lit("off_grid"))
        if table.is_empty():
            return Outcome(table.with_columns(moment.alias(_TIME)))
        reasons = pl.select(marks.otherwise(None)).to_series()
        return dropped_where(table.with_columns(moment.alias(_TIME)), reasons, text, step=self.kind)

    def _ordered(self, table: pl.DataFrame) -> tuple[Outcome, int]:
        """The rows in the order that is asked for, and how many lay behind a later one."""
        latest = pl.col(_TIME).cum_max()
        latest = latest.over(self.groups) if self.groups else latest
        late = table.select((pl.col(_TIME) < latest).alias("late"))["late"]
        if self.order == "drop":
            reasons = pl.Series(["out_of_order"]).new_from_index(0, table.height).set(~late, None)
            return dropped_where(table, reasons, table[_TIME].dt.to_string("iso"), step=self.kind), 0
        if self.order == "keep":
            return Outcome(table), 0
        return Outcome(table.sort([*self.groups, _TIME], maintain_order=True)), int(late.sum())

    def _distinct(self, table: pl.DataFrame) -> Outcome:
        if self.duplicates == "keep" or table.is_empty():
            return Outcome(table)
        again = ~table.select(pl.struct([*self.groups, _TIME]).is_first_distinct().alias("first"))["first"]
        reasons = pl.Series(["duplicate"]).new_from_index(0, table.height).set(~again, None)
        return dropped_where(table, reasons, table[_TIME].dt.to_string("iso"), step=self.kind)

    def _gaps(self, table: pl.DataFrame, ids: pl.Series) -> tuple[pl.DataFrame, int, int]:
        """The table with its gaps filled if that is asked for; how many gaps there are that can be, and longer ones."""
        if self.every is None or table.height < 2:
            return table, 0, 0
        before = pl.col(_TIME).shift()
        before = before.over(self.groups) if self.groups else before
        number = lacking(table[_TIME], table.select(before)[_TIME], self.zone, self._step)
        rows = table.with_columns(number.fill_null(0).alias("__lacking"))
        short = pl.col("__lacking").is_between(1, self.longest)
        gaps, longer = rows.select(
            short.sum().alias("gaps"), (pl.col("__lacking") > self.longest).sum().alias("l")
        ).row(0)
        if self.gaps == "count" or not gaps:
            return table, gaps, longer
        # Each row behind a gap is repeated for every row that lacks before it; the number counts backwards.
        gap = rows.filter(short)
        new = gap.select("id", *self.groups, _TIME, pl.int_ranges(1, pl.col("__lacking") + 1).alias("back"))
        new = new.explode("back")
        new = new.with_columns(
            earlier(new[_TIME], new["back"], self.zone, self._step).alias(_TIME), _new_ids(new["id"], new["back"], ids)
        )
        joined = pl.concat([table, new.drop("back")], how="diagonal")
        return joined.sort([*self.groups, _TIME], maintain_order=True), gaps, longer

    @cached_property
    def _step(self) -> int:
        """Microseconds between rows."""
        every = str(self.every)
        return int(every[:-1]) * _UNITS[every[-1]] * 1_000_000


def _new_ids(ids: pl.Series, numbers: pl.Series, known: pl.Series) -> pl.Series:
    """(N,) `id` and number, with as many hyphens between them as it takes to be none of those known."""
    hyphens = "-"
    while True:
        found = pl.select(pl.format(f"{{}}{hyphens}{{}}", ids, numbers).alias("id"))["id"]
        if not found.is_in(known.implode()).any():
            return found
        hyphens += "-"
