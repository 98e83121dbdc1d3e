"""Texts as rows of words, and changes of which words stand where; all texts at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, compress
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ops.augmentation.base import Change, Shape
from ops.augmentation.draws import Numbers, as_seeds, uniforms

if TYPE_CHECKING:
    import polars as pl

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


_CONTROLS = re.compile("[\x1c-\x1f]")
_WORD = re.compile(r"(?:\S|[\x1c-\x1f])+")

Rearrange = Callable[[Rows], Rows]


class TextChange(Change):
    """A change of the order or number of words; a subclass adds `rearranged`.

    A word is a run of characters without white space; the words of a changed text are joined by single spaces. Where
    nothing is written between words (Chinese, Japanese) `unit: character` changes characters instead.
    """

    applies_to: ClassVar[frozenset[str]] = frozenset({"text"})

    unit: Literal["word", "character"] = "word"
    """What is dropped or moved: words, or characters where words are not written apart."""

    def rearranged(self, rows: Rows) -> Rows:
        """The rows after the change."""
        raise TypeError(f"{type(self).__name__} has no rearranged")

    def change(self, values: pl.Series, seeds: Sequence[int], shape: Shape | None) -> pl.Series:
        """Return the altered texts, each a pure function of the text and its seed; nulls stay null."""
        import polars as pl

        there = values.is_not_null().to_numpy()
        texts = self.rewritten(values.drop_nulls().to_list(), [*compress(seeds, there.tolist())])
        return values.clone().scatter(np.flatnonzero(there), pl.Series(texts, dtype=pl.String))

    def rewritten(self, texts: Sequence[str], seeds: Sequence[int]) -> list[str]:
        """The altered texts; one without words stays as it is."""
        numbers = as_seeds(seeds)
        drawn = uniforms(numbers, np.zeros(len(numbers), np.int64), _WHETHER) < self.probability
        pieces = [self._pieces(text) if chosen else [] for text, chosen in zip(texts, drawn.tolist(), strict=True)]
        lengths = np.fromiter(map(len, pieces), np.int64, count=len(pieces))
        after = self.rearranged(Rows(np.arange(lengths.sum()), lengths, numbers))
        flat, between = [*chain.from_iterable(pieces)], " " if self.unit == "word" else ""
        words, ends = [flat[number] for number in after.word.tolist()], np.cumsum(after.lengths)
        spans = zip((ends - after.lengths).tolist(), ends.tolist(), strict=True)
        return [
            between.join(words[start:end]) if found else text
            for text, found, (start, end) in zip(texts, pieces, spans, strict=True)
        ]

    def _pieces(self, text: str) -> list[str]:
        return words_of(text) if self.unit == "word" else [*text]


def words_of(text: str) -> list[str]:
    """Its runs of characters without white space, as Unicode has that."""
    # Python alone takes four control characters for white space.
    return text.split() if _CONTROLS.search(text) is None else _WORD.findall(text)


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
