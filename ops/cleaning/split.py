"""Each row's place in train, valid or test, by its content alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Literal

import polars as pl
from pydantic import Field, model_validator

from ops.columns import require
from ops.config import Config
from ops.deduplication.hashing import content_digests
from ops.errors import ConfigError

_RANGE = 2**64

Moment = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?$")]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]


class Split(Config):
    """How rows are divided into train, valid and test.

    A row's place is the first 8 bytes of SHA-256(SHA-256(content) + salt), as a fraction of their range: below `test`
    it is a test row, below `test + valid` a valid row, else a training row. Text counts by its letters and digits in
    lower case (`alphanumeric` of `ops/deduplication/hashing.py`), so that no copy with other punctuation gets from
    train to test; bytes, numbers and dates count as they are. So equal content is always on one side, whatever
    partition it is in; adding or removing rows moves no other row; and the sizes are those of independent draws.

    With `groups` the content of those columns decides, so that a speaker's or a page's rows are on one side. With
    `near_duplicates` texts that a step of that kind finds alike are on one side, along any chain. With `time` the
    latest rows are test rows, those before them valid rows, and nothing is drawn. With `position`, a number from 0 to
    1 that says where in its text a row begins (see `passages`), the last share of every text is test, and the share
    before it, or the first one, valid; a null is a training row.
    """

    valid: Fraction = 0.1
    """Share of the rows that training is watched on."""
    test: Fraction = 0.1
    """Share of the rows that the finished model is judged on."""
    columns: Annotated[list[str], Field(min_length=1)] | None = None
    """The columns whose content decides; by default what the model reads, or what a row of a table is known by."""
    salt: str = ""
    """Another salt gives another, independent division."""
    groups: Annotated[list[str], Field(min_length=1)] | None = None
    """Columns whose equal values stay on one side; a row with a null in one of them is divided by its content."""
    near_duplicates: bool = False
    """Whether texts that the recipe's near_duplicates step finds alike stay on one side."""
    time: str | None = None
    """A column of dates, moments or ISO 8601 text: rows are divided by it instead, a null is a training row."""
    valid_from: Moment | None = None
    """With `time`: the first moment of the valid rows, as 2014-07-01 or 2014-07-01T12:00."""
    test_from: Moment | None = None
    """With `time`: the first moment of the test rows."""
    position: str | None = None
    """A column of places in a text from 0 to 1: the end of every text is test."""
    valid_place: Literal["before_test", "start"] = "before_test"
    """With `position`: where the valid rows lie. What comes just before the test rows tells much of them (names, say):
    with the valid rows at the start of the text, training keeps it."""

    @model_validator(mode="after")
    def _shares(self) -> Split:
        if self.valid + self.test >= 1.0:
            raise ValueError(f"valid {self.valid} and test {self.test} leave no training rows")
        moments = (self.valid_from, self.test_from)
        if (self.time is None) != (None in moments) or (self.time is None and moments != (None, None)):
            raise ValueError(
                "time, valid_from and test_from belong together (`satiety dates` finds them for given shares)"
            )
        if self.time is not None:
            if (self.valid_from or "") >= (self.test_from or ""):
                raise ValueError("valid_from must be before test_from")
            if self.groups or self.near_duplicates or self.columns:
                raise ValueError("time alone decides: columns, groups and near_duplicates have no place beside it")
        if self.valid_place != "before_test" and self.position is None:
            raise ValueError("valid_place is for a split by position")
        if self.position is not None and (self.time or self.groups or self.near_duplicates or self.columns):
            raise ValueError(
                "position alone decides: time, columns, groups and near_duplicates have no place beside it"
            )
        if self.groups and (self.near_duplicates or self.columns):
            raise ValueError("groups alone decide: columns and near_duplicates have no place beside them")
        return self

    def assign(
        self, table: pl.DataFrame, default: Sequence[str] = ("text",), alike: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        """Return the table with the column `split`.

        Args:
            table: the rows.
            default: the columns that decide where none is named.
            alike: (id, cluster) of rows that must not be torn apart, for `near_duplicates`.
        """
        if self.time is not None:
            return table.with_columns(self._by_time(table, self.time).alias("split"))
        if self.position is not None:
            return table.with_columns(self._by_position(table, self.position).alias("split"))
        columns = self.columns or list(default)
        require(table, columns, step="split")
        salt = self.salt.encode()
        digests = self._whole(table, content_digests(table, columns, normalise="alphanumeric"), alike)
        places = [int.from_bytes(hashlib.sha256(digest + salt).digest()[:8], "big") for digest in digests]
        place = pl.Series("split", places, dtype=pl.UInt64)
        test, rest = int(self.test * _RANGE), int((self.test + self.valid) * _RANGE)
        names = (
            pl.when(place < pl.lit(test, dtype=pl.UInt64))
            .then(pl.lit("test"))
            .when(place < pl.lit(rest, dtype=pl.UInt64))
            .then(pl.lit("valid"))
            .otherwise(pl.lit("train"))
        )
        return table.with_columns(names.alias("split"))

    def _whole(self, table: pl.DataFrame, digests: list[bytes], alike: pl.DataFrame | None) -> list[bytes]:
        """The digests that decide, with one for all rows that belong together."""
        if self.groups is not None:
            require(table, self.groups, step="split")
            alone = table.select(pl.any_horizontal(pl.col(name).is_null() for name in self.groups)).to_series()
            together = content_digests(table, self.groups)
            return [own if a else group for own, group, a in zip(digests, together, alone, strict=True)]
        if alike is not None:
            clusters = table.select("id").join(alike, on="id", how="left", maintain_order="left")["cluster"]
            named = [None if c is None else hashlib.sha256(c.to_bytes(8, "big")).digest() for c in clusters]
            return [own if cluster is None else cluster for own, cluster in zip(digests, named, strict=True)]
        return digests

    def _by_time(self, table: pl.DataFrame, column: str) -> pl.Expr:
        require(table, [column], step="split")
        dtype = table.schema[column]
        moments: list[pl.Expr] = []
        for text in (self.valid_from or "", self.test_from or ""):
            moment = datetime.fromisoformat(text)
            if isinstance(dtype, pl.Datetime):
                moments.append(pl.lit(moment).dt.replace_time_zone(dtype.time_zone))
            elif dtype == pl.Date:
                moments.append(pl.lit(date(moment.year, moment.month, moment.day)))
            elif dtype == pl.String:
                moments.append(pl.lit(text))
            else:
                hint = "parse it in the source or with consistency"
                raise ConfigError(f"split: column {column!r} is {dtype}, no moments in time", hint=hint)
        time = pl.col(column)
        late = pl.when(time >= moments[1]).then(pl.lit("test")).when(time >= moments[0]).then(pl.lit("valid"))
        return late.otherwise(pl.lit("train"))

    def _by_position(self, table: pl.DataFrame, column: str) -> pl.Expr:
        require(table, [column], step="split")
        if not table.schema[column].is_numeric():
            raise ConfigError(f"split: column {column!r} is {table.schema[column]}, no place from 0 to 1")
        # Shares such as 0.9 have no exact float: what differs in the tenth digit is the same place.
        place = pl.col(column).cast(pl.Float64).round(9)
        test, before = (round(1.0 - share, 9) for share in (self.test, self.test + self.valid))
        valid = place < round(self.valid, 9) if self.valid_place == "start" else place >= before
        return pl.when(place >= test).then(pl.lit("test")).when(valid).then(pl.lit("valid")).otherwise(pl.lit("train"))
