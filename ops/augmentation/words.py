"""Texts as rows of words, and changes of which words stand where; all texts at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from ops.augmentation.base import Change, Shape
from ops.augmentation.draws import Numbers, as_seeds, uniforms

Rate = Annotated[float, Field(gt=0.0, le=1.0)]

_WHETHER = 0
"""Stream of the draw whether a copy is changed; changes use others."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Which words stand in which row, in order: the words themselves are not touched.

    Attributes:
        word: (T,) number of the word among all words of all rows.
        lengths: (N,) words in each row.
        seeds: (N,) one for each row.
    """

    word: Numbers
    lengths: Numbers
    seeds: NDArray[np.uint64]

    @property
    def starts(self) -> Numbers:
        """(N,) where each row begins."""
        return np.cumsum(self.lengths) - self.lengths

    @property
    def row(self) -> Numbers:
        """(T,) the row of each word."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @property
    def place(self) -> Numbers:
        """(T,) the place of each word in its row."""
        return np.arange(len(self.word)) - np.repeat(self.starts, self.lengths)


Rearrange = Callable[[Rows], Rows]


class TextChange(Change):
    """A change of the order or number of words; a subclass adds `rearranged`.

    A word is a run of characters without white space; the words of a changed text are joined by single spaces. Where
    nothing is written between words (Chinese, Japanese) `unit: character` changes characters instead.
    """

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "table"})

    unit: Literal["word", "character"] = "word"
    """What is dropped or moved: words, or characters where words are not written apart."""

    def rearranged(self, rows: Rows) -> Rows:
        """The rows after the change."""
        raise TypeError(f"{type(self).__name__} has no rearranged")

    def change(self, values: pl.Series, seeds: Sequence[int], shape: Shape | None) -> pl.Series:
        """Return the altered texts, each a pure function of the text and its seed; nulls stay null."""
        numbers = as_seeds(seeds)
        chosen = uniforms(numbers, np.zeros(len(numbers), np.int64), _WHETHER) < self.probability
        picked = values.filter(pl.Series(chosen))
        words = picked.str.extract_all(r"\S+") if self.unit == "word" else picked.str.extract_all(r"(?s).")
        lengths = words.list.len().fill_null(0).cast(pl.Int64).to_numpy()
        # Exploding turns an empty list into one null, which is left out again.
        flat = words.explode().drop_nulls()
        before = Rows(np.arange(len(flat)), lengths, numbers[chosen])
        after = self.rearranged(before)
        joined = _joined(flat.gather(after.word), after.lengths, " " if self.unit == "word" else "")
        # A text without words is left as it is.
        changed = pl.select(pl.when(pl.Series(lengths > 0)).then(joined).otherwise(picked)).to_series()
        places = np.flatnonzero(chosen)
        return values.clone().scatter(places, changed) if len(places) else values


def _joined(words: pl.Series, lengths: Numbers, between: str) -> pl.Series:
    """One text for each row of words."""
    import pyarrow as pa

    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    lists = pa.LargeListArray.from_arrays(pa.array(offsets), words.to_arrow())
    return pl.Series(pl.from_arrow(lists)).list.join(between)


def dropped(rows: Rows, rate: float, stream: int) -> Rows:
    """Leave out each word with that probability; where none would be left, the one with the largest draw stays."""
    row = rows.row
    draws = uniforms(rows.seeds[row], rows.place, stream)
    keep = draws >= rate
    left = np.bincount(row[keep], minlength=len(rows.lengths))
    for empty in np.flatnonzero((left == 0) & (rows.lengths > 0)):  # few: short texts with bad luck
        start = rows.starts[empty]
        keep[start + int(np.argmax(draws[start : start + rows.lengths[empty]]))] = True
    return Rows(rows.word[keep], np.bincount(row[keep], minlength=len(rows.lengths)), rows.seeds)


def swapped(rows: Rows, rate: float, stream: int) -> Rows:
    """Swap two random words of a row, again and again: `rate` times its number of words, rounded, at least once."""
    word, starts, times = rows.word.copy(), rows.starts, _times(rows, rate)
    times[rows.lengths < 2] = 0
    for number in range(int(times.max(initial=0))):
        busy = np.flatnonzero(times > number)
        first, second = (
            starts[busy] + _place(rows.seeds[busy], 2 * number + side, rows.lengths[busy], stream) for side in (0, 1)
        )
        word[first], word[second] = word[second], word[first]
    return Rows(word, rows.lengths, rows.seeds)


def inserted(rows: Rows, rate: float, stream: int) -> Rows:
    """Put copies of a row's own words at random places: as many as `rate` times its words, rounded, at least 1."""
    times = _times(rows, rate)
    row = np.repeat(np.arange(len(times)), times)
    number = np.arange(len(row)) - np.repeat(np.cumsum(times) - times, times)
    seeds, lengths = rows.seeds[row], rows.lengths[row]
    source = rows.starts[row] + _below(uniforms(seeds, 2 * number, stream), lengths)
    # A gap is named by the word behind it; the last gap is behind all words.
    gap = _below(uniforms(seeds, 2 * number + 1, stream), lengths + 1)
    word = np.concatenate([rows.word[source], rows.word])
    order = np.lexsort(
        (
            np.concatenate([number, np.full(len(rows.word), len(row))]),
            np.concatenate([gap, rows.place]),
            np.concatenate([row, rows.row]),
        )
    )
    return Rows(word[order], rows.lengths + times, rows.seeds)


def _times(rows: Rows, rate: float) -> Numbers:
    times: Numbers = np.maximum(1, np.rint(rate * rows.lengths)).astype(np.int64)
    times[rows.lengths == 0] = 0
    return times


def _place(seeds: NDArray[np.uint64], number: int, lengths: Numbers, stream: int) -> Numbers:
    draws = uniforms(seeds, np.full(len(seeds), number), stream)
    return _below(draws, lengths)


def _below(draws: NDArray[np.float64], limits: Numbers) -> Numbers:
    """Whole numbers from 0 up to the limits."""
    found: Numbers = np.minimum((draws * limits).astype(np.int64), limits - 1)
    return found
