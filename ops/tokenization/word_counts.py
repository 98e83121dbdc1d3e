"""Counting the words of many texts, for trainers whose result would else depend on the order of a hash table."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_BATCH = 10_000


def counted_words(texts: Iterable[str], pattern: str) -> pl.DataFrame:
    """The distinct matches of a regular expression (`word`, `count`), in the order of the words."""
    import polars as pl

    rest = iter(texts)
    total = pl.DataFrame(schema={"word": pl.String, "count": pl.Int64})
    while batch := list(islice(rest, _BATCH)):
        words = pl.Series("word", batch, pl.String).str.extract_all(pattern).explode().drop_nulls()
        both = pl.concat([total, words.value_counts(name="count").cast({"count": pl.Int64})])
        total = both.group_by("word").agg(pl.col("count").sum())
    return total.sort("word")
