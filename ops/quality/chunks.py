"""A column of texts as pieces of bytes that fit into a processor's cache."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ops.quality.characters import INNER, TERMINAL, Bytes, classify

Places = NDArray[np.int64]

CHUNK = 1024 * 1024
"""Bytes of a piece; one longer text is a piece of its own. What is worked out about it should stay in the cache."""
PADDING = 16
"""Newlines behind a piece, so that eight bytes can be read from every place."""


@dataclass(frozen=True)
class Chunk:
    r"""Some texts, one behind the other, with a newline after each that is not part of it.

    Attributes:
        data: the bytes, with `PADDING` newlines behind them.
        bounds: where each text begins, and where one more would: text i is `data[bounds[i]:bounds[i + 1] - 1]`.
        narrow: whether all bytes are ASCII.
        marked: which texts match the pattern that the pieces were asked for with.
    """

    data: Bytes
    bounds: Places
    narrow: bool
    marked: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @cached_property
    def classes(self) -> Bytes:
        """The class of each byte."""
        return classify(self.data, narrow=self.narrow)

    @cached_property
    def _characters(self) -> NDArray[np.int32]:
        return np.concatenate([[0], np.cumsum(self.classes < INNER, dtype=np.int32)]).astype(np.int32)

    def lengths(self, starts: Places, ends: Places) -> Places:
        """Characters in each span of bytes."""
        if self.narrow:
            return ends - starts
        return (self._characters[ends] - self._characters[starts]).astype(np.int64)

    @cached_property
    def text_lengths(self) -> Places:
        """Characters of each text."""
        return self.lengths(self.bounds[:-1], self.bounds[1:] - 1)

    def texts_of(self, places: Places) -> Places:
        """For each sorted place the text in which it is."""
        counts = np.diff(np.searchsorted(places, self.bounds))
        return np.repeat(np.arange(len(self)), counts)

    def counted(self, places: Places) -> Places:
        """How many of the sorted places are in each text."""
        return np.diff(np.searchsorted(places, self.bounds))

    @cached_property
    def marks(self) -> Places:
        """Places of all characters that end sentences: of their first bytes."""
        return np.flatnonzero(self.classes[: self.bounds[-1]] & np.uint8(TERMINAL | INNER) == TERMINAL)

    def of(self, byte: int) -> Places:
        """Places of all bytes of a kind of which there are few."""
        found = (self.data == byte)[: len(self.data) // 8 * 8]
        eights = np.flatnonzero(found.view(np.uint64) != 0)
        places = np.flatnonzero(found.reshape(-1, 8)[eights].ravel())
        all_of: Places = (eights[places >> 3] << 3) + (places & 7)
        return all_of

    @cached_property
    def newlines(self) -> Places:
        """Places of all newlines, those between texts among them."""
        return np.flatnonzero(self.data[: self.bounds[-1]] == 10)


def pieces(text: pl.Series, pattern: str) -> Iterator[tuple[Places, Chunk]]:
    """The pieces of a column, each with the rows that it holds; texts that match the pattern are marked.

    A null counts as an empty text, and a column without rows as one with one. Texts of ASCII alone, in which a byte is
    a character, come before the others, so that only pieces with others must tell bytes and characters apart.
    """
    text = text.fill_null("") if len(text) else pl.Series([""])
    wide, marks = text.str.len_bytes() != text.str.len_chars(), text.str.contains(pattern)
    for narrow, rows in ((True, (~wide).arg_true()), (False, wide.arg_true())):
        if rows.is_empty():
            continue
        place, numbers, marked = 0, rows.to_numpy().astype(np.int64), marks.gather(rows).to_numpy()
        for data, bounds in _cut(text.gather(rows) if len(rows) < len(text) else text):
            part = slice(place, place + len(bounds) - 1)
            yield numbers[part], Chunk(data, bounds, narrow, marked[part])
            place = part.stop


def _cut(text: pl.Series) -> Iterator[tuple[Bytes, Places]]:
    """Data and bounds of the pieces."""
    array = (text + "\n").rechunk().to_arrow()
    _, offsets, content = array.buffers()
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(content, np.uint8)
    place = 0
    while place < len(array):
        last = int(np.searchsorted(bounds, bounds[place] + CHUNK, "right")) - 1
        last = min(max(last, place + 1), len(array))
        part = np.full(bounds[last] - bounds[place] + PADDING, 10, np.uint8)
        part[:-PADDING] = data[bounds[place] : bounds[last]]
        yield part, bounds[place : last + 1] - bounds[place]
        place = last


def one_piece(text: pl.Series, *, narrow: bool) -> Chunk:
    """All texts in one piece, none of them marked; `narrow` says that all bytes are ASCII."""
    joined = "\n".join(text.to_list()).encode() + b"\n" * (PADDING + 1)
    bounds = np.zeros(len(text) + 1, np.int64)
    np.cumsum(text.str.len_bytes().to_numpy().astype(np.int64) + 1, out=bounds[1:])
    return Chunk(np.frombuffer(joined, np.uint8), bounds, narrow, np.zeros(len(text), np.bool_))


def spans_index(starts: Places, ends: Places) -> Places:
    """The places of all bytes of the spans, one span after the other."""
    sizes = ends - starts
    offsets = np.cumsum(sizes)
    return np.repeat(starts - offsets + sizes, sizes) + np.arange(offsets[-1] if len(offsets) else 0)


def spans_as_text(data: Bytes, starts: Places, ends: Places) -> pl.Series:
    """The spans of bytes, each of whole characters, as texts."""
    import pyarrow as pa

    offsets = np.concatenate([[0], np.cumsum(ends - starts)])
    content = data[spans_index(starts, ends)]
    array = pa.LargeStringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(content))
    series = pl.from_arrow(array)
    assert isinstance(series, pl.Series)
    return series
