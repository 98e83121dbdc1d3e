"""Each row's place in train, valid or test, by its content alone."""

from __future__ import annotations

import hashlib
from typing import Annotated

import polars as pl
from pydantic import Field, model_validator

from ops.columns import require
from ops.config import Config
from ops.deduplication.hashing import content_digests

_RANGE = 2**64

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]


class Split(Config):
    """How rows are divided into train, valid and test.

    A row's place is the first 8 bytes of SHA-256(SHA-256(content) + salt), as a fraction of their range: below `test`
    it is a test row, below `test + valid` a valid row, else a training row. Text counts by its letters and digits in
    lower case (`alphanumeric` of `ops/deduplication/hashing.py`), so that no copy with other punctuation gets from
    train to test; bytes count as they are. So equal content is always on one side, whatever partition it is in;
    adding or removing rows moves no other row; and the sizes are those of independent draws.
    """

    valid: Fraction = 0.1
    """Share of the rows that training is watched on."""
    test: Fraction = 0.1
    """Share of the rows that the finished model is judged on."""
    columns: Annotated[list[str], Field(min_length=1)] | None = None
    """The columns whose content decides; by default the one that the model reads."""
    salt: str = ""
    """Another salt gives another, independent division."""

    @model_validator(mode="after")
    def _shares(self) -> Split:
        if self.valid + self.test >= 1.0:
            raise ValueError(f"valid {self.valid} and test {self.test} leave no training rows")
        return self

    def assign(self, table: pl.DataFrame, default: str = "text") -> pl.DataFrame:
        """Return the table with the column `split`; `default` is the column that decides where none is named."""
        columns = self.columns or [default]
        require(table, columns, step="split")
        salt = self.salt.encode()
        digests = content_digests(table, columns, normalise="alphanumeric")
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
