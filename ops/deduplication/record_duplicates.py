"""Records that mean the same thing: similar enough in several columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import polars as pl
from pydantic import Field

from ops.columns import require
from ops.config import Config
from ops.deduplication.base import Deduplication
from ops.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    I64 = npt.NDArray[np.int64]
    F64 = npt.NDArray[np.float64]

Share = Annotated[float, Field(ge=0, le=1)]
Reading = Literal["text", "digits", "raw"]
Measure = Literal["exact", "words", "word_cosine", "word_overlap", "grams", "edit", "jaro_winkler", "numeric"]

FILLED = "__filled"
"""Column of the signatures: how many values the row has, over all columns of the table."""


class Comparison(Config):
    """How alike two rows are in one column, from 0 to 1."""

    column: str
    """The column."""
    measure: Measure = "grams"
    """`exact`: equal or not; `words`: Jaccard similarity of the words; `word_cosine`: cosine of the words weighted by inverse document frequency; `word_overlap`: weighted words in both over the lighter row's; `grams`: Jaccard similarity of the q-grams; `edit`: Levenshtein distance over the longer length, from 1; `jaro_winkler`; `numeric`: difference over the larger magnitude, from 1."""  # noqa: E501 - one description
    read: Reading = "text"
    """What of a value counts: letters and digits in lower case, digits only, or all as it is."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Weight among the columns."""
    least: Share = 0.0
    """A pair that is less alike here is no match, whatever the score (where the column counts for it)."""
    missing: Literal["ignore", "differ"] = "ignore"
    """A pair in which one has no value here: the column does not count for it, or counts as 0."""
    size: Annotated[int, Field(ge=2, le=5)] = 3
    """Characters of a q-gram."""


class Block(Config):
    """Pairs that are looked at: rows that agree in this."""

    column: str
    """The column."""
    by: Literal["value", "word", "prefix", "order"] = "word"
    """The same value, a word in common, the same first characters, or neighbours when sorted by it."""
    read: Reading = "text"
    """What of a value counts, as in a comparison."""
    length: Annotated[int, Field(ge=1, le=64)] = 4
    """Characters of a prefix."""
    window: Annotated[int, Field(ge=2, le=100)] = 5
    """Rows that are neighbours are less than this many places apart."""
    largest: Annotated[int, Field(ge=2)] = 200
    """A value, word or prefix of more rows than this makes no pairs: it is too common to say anything."""


class RecordDuplicates(Deduplication):
    """Drop rows that are the same thing as another row, by similarity over columns.

    Pairs come from `block` (all of its entries together); the score of a pair is the mean of its columns' similarities,
    by weight, over the columns that count for it; pairs of a score of at least `threshold` are the same thing, unless a
    column's own `least` forbids it (the
    classical form of Fellegi and Sunter's record linkage, 1969, with weights that are given instead of estimated). The
    row with the most values stays, the longer one among equals, then the first. A row is dropped only for a row that
    stays and that it matches itself: nothing goes by transitivity. A pair without a column that counts is no match.

    The compared columns of the whole corpus are held in memory while the decision is made.
    """

    kind: Literal["record_duplicates"] = "record_duplicates"
    """Rows that are the same thing as another dropped."""
    compare: list[Comparison] = Field(min_length=1)
    """The columns that are compared."""
    block: list[Block] = Field(min_length=1)
    """Which pairs are looked at."""
    threshold: Share = 0.7
    """The least score of a match."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})
    thresholds: ClassVar[frozenset[str]] = frozenset({"threshold"})

    @property
    def columns(self) -> list[str]:
        """All columns that are read, each once."""
        return list(dict.fromkeys([c.column for c in self.compare] + [b.column for b in self.block]))

    def signatures(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return (id, number of values, the columns read as text or numbers)."""
        require(table, self.columns, step=self.kind)
        numeric = {c.column for c in self.compare if c.measure == "numeric"}
        for name in self.columns:
            dtype = table.schema[name]
            if dtype.is_nested() or dtype == pl.Binary or (name in numeric and not dtype.is_numeric()):
                wanted = "a number" if name in numeric else "text or a number"
                raise ConfigError(f"{self.kind}: column {name!r} is {dtype}, not {wanted}")
        others = [name for name in table.columns if name != "id"]
        blank = [
            pl.col(name).is_not_null() & (pl.col(name) != "")
            if table.schema[name] == pl.String
            else pl.col(name).is_not_null()
            for name in others
        ]
        return table.select(
            "id",
            pl.sum_horizontal(blank).cast(pl.Int64).alias(FILLED),
            *(pl.col(n).cast(pl.Float64 if n in numeric else pl.String) for n in self.columns),
        )

    def fold(self, signatures: pl.DataFrame) -> pl.DataFrame:
        """Return (id, reason, evidence) of the rows to drop: the kept row's id, the score, and each column's."""
        pairs = self.matches(signatures)
        long = pl.sum_horizontal(pl.col(n).cast(pl.String).str.len_chars().fill_null(0) for n in self.columns)
        ranks = signatures.select(
            pl.struct(-pl.col(FILLED), -long.cast(pl.Int64), pl.int_range(pl.len())).rank("ordinal").alias("rank")
        )["rank"].to_numpy()
        kept = _stars(pairs, ranks)
        found = pairs.join(kept, on=["one", "other"], how="inner", maintain_order="right")
        ids = signatures["id"]
        details = [
            pl.format("{}={}", pl.lit(name), pl.col(name).round(3)).fill_null(f"{name}=missing")
            for name in self._names()
        ]
        return found.select(
            ids.gather(found["dropped"]).alias("id"),
            pl.lit("same_record").alias("reason"),
            pl.format(
                "{} score={} {}",
                ids.gather(found["kept"]),
                pl.col("score").round(3),
                pl.concat_str(details, separator=" "),
            ).alias("evidence"),
        )

    def matches(self, signatures: pl.DataFrame) -> pl.DataFrame:
        """Pairs of rows (one < other) with their score, at least the threshold, and the similarity in each column."""
        pairs = self.scores(signatures, self.pairs(signatures))
        enough = [
            pl.col(name).fill_null(1.0).round(9) >= comparison.least
            for name, comparison in zip(self._names(), self.compare, strict=True)
        ]
        return pairs.filter((pl.col("score").round(9) >= self.threshold) & pl.all_horizontal(enough))

    def pairs(self, signatures: pl.DataFrame) -> I64:
        """The pairs of rows that blocking gives, shape (pairs, 2), the smaller row first."""
        from ops.deduplication.records.blocking import by_key, by_order, united
        from ops.deduplication.records.terms import read

        found = []
        for block in self.block:
            values = read(signatures[block.column], block.read).alias("key")
            if block.by == "order":
                found.append(by_order(values, block.window))
                continue
            keys = pl.DataFrame([pl.int_range(len(values), eager=True).alias("row"), values]).drop_nulls()
            if block.by == "word":
                keys = keys.with_columns(pl.col("key").str.split(" ")).explode("key")
            elif block.by == "prefix":
                keys = keys.with_columns(pl.col("key").str.head(block.length))
            found.append(by_key(keys, block.largest, f"{block.by} of {block.column}"))
        return united(found)

    def scores(self, signatures: pl.DataFrame, pairs: I64) -> pl.DataFrame:
        """The score of each pair, and the similarity in each column; null where the column does not count."""
        one, other = pairs[:, 0], pairs[:, 1]
        columns = {
            name: _similarity(comparison, signatures[comparison.column], one, other)
            for name, comparison in zip(self._names(), self.compare, strict=True)
        }
        frame = pl.DataFrame({"one": one, "other": other, **columns})
        weights = {name: comparison.weight for name, comparison in zip(self._names(), self.compare, strict=True)}
        total = pl.sum_horizontal(pl.col(name) * weight for name, weight in weights.items())
        counted = pl.sum_horizontal(pl.col(name).is_not_null() * weight for name, weight in weights.items())
        return frame.with_columns(pl.when(counted > 0).then(total / counted).otherwise(0.0).alias("score"))

    def _names(self) -> list[str]:
        """A name for each comparison: its column, with the measure where a column is compared in several ways."""
        named = [comparison.column for comparison in self.compare]
        return [
            f"{c.column}:{c.measure}:{place}" if named.count(c.column) > 1 or c.column in ("one", "other") else c.column
            for place, c in enumerate(self.compare)
        ]


def _similarity(comparison: Comparison, column: pl.Series, one: I64, other: I64) -> pl.Series:
    """From 0 to 1 for each pair; null where one of the two has no value and that is to be ignored."""
    import numpy as np

    from ops.deduplication.records import strings, terms

    measure = comparison.measure
    values = column if measure == "numeric" else terms.read(column, comparison.read)
    if measure == "numeric":
        numbers = values.cast(pl.Float64).fill_nan(None).to_numpy().astype(float)
        a, b = numbers[one], numbers[other]
        most = np.maximum(np.abs(a), np.abs(b))
        apart = np.divide(np.abs(a - b), most, out=np.zeros(len(a)), where=most > 0)
        found = np.clip(1 - apart, 0, 1)
        present = ~np.isnan(numbers)
    else:
        present = values.is_not_null().to_numpy()
        if measure == "exact":
            equal = values.gather(one) == values.gather(other)
            found = equal.fill_null(False).to_numpy().astype(float)
        elif measure == "grams":
            found = terms.jaccard(terms.grams(values, comparison.size), one, other)
        elif measure == "edit":
            found = strings.edit(values, one, other)
        elif measure == "jaro_winkler":
            found = strings.jaro_winkler(values, one, other)
        else:
            how = {"words": terms.jaccard, "word_cosine": terms.cosine, "word_overlap": terms.overlap}[measure]
            found = how(terms.words(values), one, other)
    both = present[one] & present[other]
    known = np.where(both, found, 0.0)
    series = pl.Series(known)
    return series if comparison.missing == "differ" else series.set(pl.Series(~both), None)


def _stars(pairs: pl.DataFrame, ranks: I64) -> pl.DataFrame:
    """(one, other, kept, dropped): best rows first, each not yet dropped row takes the rows that it matches.

    The loop goes over matches, which are few beside rows.
    """
    near: dict[int, list[int]] = {}
    for one, other in pairs.select("one", "other").iter_rows():
        near.setdefault(one, []).append(other)
        near.setdefault(other, []).append(one)
    dropped: dict[int, int] = {}
    for row in sorted(near, key=lambda row: int(ranks[row])):
        if row not in dropped:
            dropped |= {other: row for other in near[row] if other not in dropped and ranks[other] > ranks[row]}
    rows = sorted(dropped)
    schema = {"one": pl.Int64, "other": pl.Int64, "kept": pl.Int64, "dropped": pl.Int64}
    data = [(min(row, dropped[row]), max(row, dropped[row]), dropped[row], row) for row in rows]
    return pl.DataFrame(data, schema=schema, orient="row")
