"""Values as sets of words or of q-grams, and how much two of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

Reading = Literal["text", "digits", "raw"]

PAIRS_AT_A_TIME = 100_000


def read(values: pl.Series, reading: Reading) -> pl.Series:
    """Values as they are compared; null where nothing is left.

    `text`: lower case, everything but letters, marks and digits one space; `digits`: the digits; `raw`: as they are.
    """
    text = values.cast(pl.String)
    if reading == "text":
        text = text.str.to_lowercase().str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ").str.strip_chars(" ")
    elif reading == "digits":
        text = text.str.replace_all(r"[^0-9]+", "")
    return text.set(text.str.len_bytes() == 0, None)


@dataclass(frozen=True)
class Terms:
    """The terms of every row, each once, row by row and sorted.

    Attributes:
        starts: where the terms of a row begin; one more at the end, shape (rows + 1).
        ids: number of each term, shape (terms).
        weights: of each term in its row, shape (terms).
    """

    starts: I64
    ids: I64
    weights: F64

    @property
    def counts(self) -> I64:
        """Terms of each row."""
        return np.diff(self.starts)


def words(values: pl.Series) -> Terms:
    """The words of each value (parts between spaces), weighted by inverse document frequency.

    The weight is ln(1 + rows / rows with the word), whatever the number of times that it is in the value.
    """
    rows = pl.DataFrame({"row": np.arange(len(values)), "word": values}).drop_nulls("word")
    rows = rows.select("row", pl.col("word").str.split(" ")).explode("word").unique()
    return _terms(len(values), rows["row"].to_numpy(), rows["word"].rank("dense").to_numpy() - 1)


def grams(values: pl.Series, size: int) -> Terms:
    """The q-grams of each value, with `size` - 1 blanks before and after it, all of weight 1.

    Numbers are given exactly, gram by gram: nothing is hashed.
    """
    gap = "\0" * (size - 1)
    text = gap + gap.join(values.fill_null("").to_list()) + gap
    characters = np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.int64)
    lengths = values.fill_null("").str.len_chars().to_numpy().astype(np.int64)
    windows = lengths + size - 1  # one for each place where a gram begins
    rows = np.repeat(np.arange(len(values)), windows)
    last = len(characters) - size + 1
    ids = characters[:last].copy()
    for place in range(1, size):
        _, ids = np.unique(ids * 0x110000 + characters[place : last + place], return_inverse=True)
    keep = np.repeat(lengths > 0, windows)
    found = np.unique(np.stack([rows[keep], ids[: len(rows)][keep]]), axis=1)
    return _terms(len(values), found[0], found[1], weighted=False)


def _terms(rows: int, owners: I64, ids: npt.ArrayLike, weighted: bool = True) -> Terms:
    numbers = np.asarray(ids, np.int64)
    order = np.lexsort((numbers, owners))
    owners, numbers = owners[order], numbers[order]
    starts = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=rows))]).astype(np.int64)
    weights = np.ones(len(numbers))
    if weighted and len(numbers):
        weights = np.log1p(rows / np.bincount(numbers))[numbers]
    return Terms(starts, numbers, weights)


def shared(terms: Terms, one: I64, other: I64) -> tuple[F64, F64]:
    """For each pair of rows the number of terms in both, and the sum of the products of their weights."""
    span = int(terms.ids.max()) + 1 if len(terms.ids) else 1
    owners = np.repeat(np.arange(len(terms.starts) - 1), terms.counts)
    keys = owners * span + terms.ids
    number, product = np.zeros(len(one)), np.zeros(len(one))
    for start in range(0, len(one), PAIRS_AT_A_TIME):
        chunk = slice(start, start + PAIRS_AT_A_TIME)
        left, right = one[chunk], other[chunk]
        counts = terms.counts[left]
        pair = np.repeat(np.arange(len(left)), counts)
        place = np.arange(len(pair)) - np.repeat(np.cumsum(counts) - counts, counts) + terms.starts[left][pair]
        wanted = right[pair] * span + terms.ids[place]
        found = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        both = keys[found] == wanted if len(keys) else np.zeros(0, bool)
        number[chunk] = np.bincount(pair[both], minlength=len(left))
        weights = terms.weights[place[both]] * terms.weights[found[both]]
        product[chunk] = np.bincount(pair[both], weights=weights, minlength=len(left))
    return number, product


def jaccard(terms: Terms, one: I64, other: I64) -> F64:
    """Terms in both over terms in either."""
    both, _ = shared(terms, one, other)
    return _ratio(both, terms.counts[one] + terms.counts[other] - both)


def overlap(terms: Terms, one: I64, other: I64) -> F64:
    """The weight of what both have over that of the lighter one: 1 where one has all that the other has."""
    _, both = shared(terms, one, other)
    sums = np.bincount(np.repeat(np.arange(len(terms.counts)), terms.counts), terms.weights**2, len(terms.counts))
    return _ratio(both, np.minimum(sums[one], sums[other]))


def cosine(terms: Terms, one: I64, other: I64) -> F64:
    """The cosine of the weighted terms."""
    _, both = shared(terms, one, other)
    sums = np.bincount(np.repeat(np.arange(len(terms.counts)), terms.counts), terms.weights**2, len(terms.counts))
    return _ratio(both, np.sqrt(sums[one] * sums[other]))


def _ratio(above: F64, below: F64) -> F64:
    return np.divide(above, below, out=np.zeros(len(above)), where=below > 0)
