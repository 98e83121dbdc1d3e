"""Lines and paragraphs: repeated ones (Gopher), and how they begin and end (FineWeb)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ops.quality.characters import SPACE, TERMINAL
from ops.quality.chunks import Chunk, Places
from ops.quality.hashing import first_equal, repeated, salts, spans_hash, tails_hash, taken
from ops.quality.words import Column, Words, share


class Lines(NamedTuple):
    """The lines between newlines that are not empty: where they begin and end, and in which text they are."""

    starts: Places
    ends: Places
    texts: NDArray[np.int64]


def line_features(words: Words, short_line: int) -> dict[str, Column]:
    """What Gopher's repetition rules and FineWeb's rules look at, for each text; shares of nothing are 0."""
    chunk, count = words.chunk, len(words.chunk)
    lines = _lines(chunk)
    again = repeated_spans(chunk, lines.starts, lines.ends, lines.texts)
    sizes = chunk.lengths(lines.starts, lines.ends)
    blank = _blank(chunk, lines)
    paragraphs, repeated_paragraphs, paragraph_characters = _paragraphs(words, lines, blank)
    filled = np.diff(chunk.bounds) > 1
    before = filled & (chunk.data[chunk.bounds[:-1]] == 10)
    behind = filled & (chunk.data[chunk.bounds[1:] - 2] == 10)
    said = ~blank
    ended = said & (chunk.classes[lines.ends - 1] & TERMINAL > 0)
    newlines = chunk.counted(chunk.newlines) - 1

    def total(chosen: NDArray[np.bool_], weights: Places | None = None) -> Places:
        found = np.bincount(lines.texts[chosen], None if weights is None else weights[chosen], count)
        return found.astype(np.int64)

    # An empty piece before or behind the outer newlines is a line too, as `re.split` has it.
    all_lines = np.bincount(lines.texts, minlength=count) + before + behind + ~filled
    return {
        "repeated_paragraphs": share(repeated_paragraphs, paragraphs),
        "repeated_paragraph_characters": share(paragraph_characters, chunk.text_lengths),
        "repeated_lines": share(total(again) + (before & behind), all_lines),
        "repeated_line_characters": share(total(again, sizes), chunk.text_lengths),
        "lines": total(said).astype(np.float64),
        "punctuated_lines": share(total(ended), total(said)),
        "short_lines": share(total(said & (sizes <= short_line)), total(said)),
        "repeated_characters": share(total(said & again, sizes), chunk.text_lengths - newlines),
        "newlines": share(newlines, words.counts),
    }


def repeated_spans(chunk: Chunk, starts: Places, ends: Places, texts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which spans equal an earlier one of their text. Only those with equal lengths and last bytes are read whole."""
    salt = taken(salts(len(chunk)), texts)
    likely = repeated(first_equal(tails_hash(chunk.data, starts, ends) ^ salt))
    first = first_equal(spans_hash(chunk.data, starts[likely], ends[likely]) ^ salt[likely])
    again = np.zeros(len(starts), np.bool_)
    again[likely] = first != np.arange(len(likely))
    return again


def _lines(chunk: Chunk) -> Lines:
    ends = chunk.newlines
    starts = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    some = ends > starts
    starts, ends = starts[some], ends[some]
    return Lines(starts, ends, chunk.texts_of(starts))


def _blank(chunk: Chunk, lines: Lines) -> NDArray[np.bool_]:
    """Which lines are nothing but white space."""
    classes = chunk.classes
    blank = (classes[lines.starts] & classes[lines.ends - 1] & SPACE).astype(np.bool_)
    unsure = np.flatnonzero(blank)
    if len(unsure):
        spans = np.stack([lines.starts[unsure], lines.ends[unsure]], axis=1).ravel()
        blank[unsure] = np.bitwise_and.reduceat(classes, spans)[::2] & SPACE > 0
    return blank


def _paragraphs(words: Words, lines: Lines, blank: NDArray[np.bool_]) -> tuple[Places, Places, Places]:
    """For each text its paragraphs, how many are repeated, and their characters.

    Paragraphs of the text without the white space around it are parted by at least two newlines in a row: a line of
    spaces parts none.
    """
    chunk = words.chunk
    some = words.counts > 0
    outer = np.where(some, words.bounds[:-1], 0), np.where(some, words.bounds[1:] - 1, 0)
    begin, end = np.full(len(chunk), -1), np.full(len(chunk), -1)
    if len(words):
        begin[some], end[some] = words.starts[outer[0][some]], words.ends[outer[1][some]]
    inside = np.flatnonzero((lines.ends > begin[lines.texts]) & (lines.starts < end[lines.texts]))
    starts, ends, texts = lines.starts[inside], lines.ends[inside], lines.texts[inside]
    if not len(starts):
        return np.ones(len(chunk), np.int64), np.zeros(len(chunk), np.int64), np.zeros(len(chunk), np.int64)
    opens = np.ones(len(starts), np.bool_)
    opens[1:] = (texts[1:] != texts[:-1]) | (starts[1:] - ends[:-1] > 1)
    first = np.flatnonzero(opens)
    last = np.append(first[1:], len(starts)) - 1
    texts = texts[first]
    starts, ends = np.maximum(starts[first], begin[texts]), np.minimum(ends[last], end[texts])
    again = repeated_spans(chunk, starts, ends, texts)
    counts = np.maximum(np.bincount(texts, minlength=len(chunk)), 1)
    copies = np.bincount(texts[again], minlength=len(chunk))
    characters = np.bincount(texts[again], chunk.lengths(starts, ends)[again], len(chunk))
    return counts, copies, characters.astype(np.int64)
