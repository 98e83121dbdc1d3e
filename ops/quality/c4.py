"""Which lines C4 keeps, what they say, and how many sentences they have (Raffel et al., 2020)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ops.quality.characters import QUOTE, TERMINAL, UPPER, Bytes
from ops.quality.chunks import Chunk, Places, one_piece, spans_as_text, spans_index
from ops.quality.hashing import load
from ops.quality.rules import LineRules
from ops.quality.words import Words

CITATION = r"\[\p{Nd}*\]|\[edit\]|\[citation needed\]"
"""Marks of citations as Wikipedia has them."""
_CITATIONS = re.compile(CITATION.replace(r"\p{Nd}", r"\d"))
JAVASCRIPT, LOREM = b"javascript", b"lorem ipsum"
POLICY = (b"terms of use", b"privacy policy", b"cookie policy", b"uses cookies", b"use of cookies", b"use cookies")
PHRASES = r"(?i-u)vasc|em ip|f use|y poli|okie"
"""What texts with any of these phrases match, and a few others: parts of them that are rare, and so found fast."""
_EDIT, _NEEDED = (np.uint64(int.from_bytes(word, "little")) for word in (b"edit", b"n needed"))
_ENDS = np.isin(np.arange(256), np.frombuffer(b".?!\"'", np.uint8))


Texts = NDArray[np.int32]
Flags = NDArray[np.bool_]


class Kept(NamedTuple):
    """The lines of a piece with at least one word, and what becomes of them.

    Attributes:
        starts: where each begins, white space left out.
        ends: where it ends, exclusive.
        texts: its text.
        kept: whether it is kept.
    """

    starts: Places
    ends: Places
    texts: Texts
    kept: NDArray[np.bool_]


@dataclass(frozen=True)
class C4:
    """The lines of a piece under the rules."""

    words: Words
    rules: LineRules

    def lines(self) -> tuple[Kept, Texts, Texts]:
        """The lines, and the texts with lorem ipsum and with a curly bracket in lines that come as far as that."""
        words, rules, chunk = self.words, self.rules, self.words.chunk
        first, last = words.first_of_line, words.last_of_line
        starts, ends, texts = words.starts[first], words.ends[last], words.texts[first]
        seen = last - first + 1 >= rules.min_words
        long = np.flatnonzero(words.ends - words.starts > rules.max_word_length)
        long = long[words.lengths[long] > rules.max_word_length]
        seen[np.searchsorted(last, long)] = False
        if rules.terminal_punctuation:
            seen &= self._ended(starts, ends)
        phrases = _Phrases(chunk)
        lorem = _within(phrases.find(LOREM), starts, ends, seen)
        kept = seen.copy()
        if rules.javascript:
            kept[_within(phrases.find(JAVASCRIPT), starts, ends, kept)] = False
        curly = _within(chunk.of(0x7B), starts, ends, kept)
        if rules.policy:
            for phrase in POLICY:
                kept[_within(phrases.find(phrase), starts, ends, kept)] = False
        return Kept(starts, ends, texts, kept), texts[lorem], texts[curly]

    def features(self) -> dict[str, NDArray[np.float64]]:
        """Sentences in the lines that are kept, and whether lorem ipsum and curly brackets stand in lines, 0 or 1."""
        lines, lorem, curly = self.lines()
        count = len(self.words.chunk)
        kept = np.flatnonzero(lines.kept)
        sentences = self._sentences(lines, kept)
        found = {"lorem_ipsum": np.zeros(count), "curly_bracket": np.zeros(count)}
        found["lorem_ipsum"][lorem] = 1.0
        found["curly_bracket"][curly] = 1.0
        return {"sentences": np.bincount(lines.texts[kept], sentences, count).astype(np.float64), **found}

    def _sentences(self, lines: Kept, kept: Places) -> Places:
        """Sentences of the lines that are kept, counted without citation marks."""
        chunk = self.words.chunk
        counts = _sentences(chunk, lines.starts[kept], lines.ends[kept])
        if not self.rules.citations:
            return counts
        cited = _within(_citation_ends(chunk), lines.starts, lines.ends, lines.kept)
        if len(cited):
            text = spans_as_text(chunk.data, lines.starts[cited], lines.ends[cited])
            part = one_piece(text.str.replace_all(CITATION, ""), narrow=chunk.narrow)
            counts[np.searchsorted(kept, cited)] = _sentences(part, part.bounds[:-1], part.bounds[1:] - 1)
        return counts

    def rewritten(self) -> tuple[pl.Series, NDArray[np.bool_]]:
        """The texts of their kept lines, and which texts lost any line with a word in it."""
        lines, chunk = self.lines()[0], self.words.chunk
        kept = np.flatnonzero(lines.kept)
        text = spans_as_text(chunk.data, lines.starts[kept], lines.ends[kept])
        if self.rules.citations:
            marked = text.str.contains(CITATION).arg_true()
            text = text.scatter(marked, text.gather(marked).str.replace_all(CITATION, ""))
        table = pl.DataFrame({"text": text, "of": lines.texts[kept]})
        joined = table.group_by("of", maintain_order=True).agg(pl.col("text").str.join("\n")).sort("of")
        empty = pl.repeat("", len(chunk), dtype=pl.String, eager=True)
        lost = np.zeros(len(chunk), np.bool_)
        lost[lines.texts[~lines.kept]] = True
        return empty.scatter(joined["of"], joined["text"].str.strip_chars()), lost

    def _ended(self, starts: Places, ends: Places) -> NDArray[np.bool_]:
        """Which lines end as a sentence does; citation marks at the end do not count."""
        data = self.words.chunk.data
        last = data[ends - 1]
        ended = _ENDS[last]
        ended &= ~((last == 0x2E) & (data[ends - 2] == 0x2E) & (data[ends - 3] == 0x2E))
        marked = np.flatnonzero(last == 0x5D)
        if self.rules.citations and len(marked):
            # All of them in one text, a newline behind each.
            index = spans_index(starts[marked], ends[marked] + 1)
            data = data[index].copy()
            data[np.cumsum(ends[marked] + 1 - starts[marked]) - 1] = 10
            text = _CITATIONS.sub("", data.tobytes().decode())
            ended[marked] = [
                line.endswith((".", "?", "!", '"', "'")) and not line.endswith("...") for line in text.split("\n")[:-1]
            ]
        return ended


class _Phrases:
    """Where phrases are, in any case, in those texts of a piece that have some."""

    def __init__(self, chunk: Chunk) -> None:
        some = chunk.marked
        self._places = spans_index(chunk.bounds[:-1][some], chunk.bounds[1:][some])
        self._text = chunk.data[self._places].tobytes().lower()

    def find(self, phrase: bytes) -> Places:
        """The places of all occurrences."""
        found, place = [], self._text.find(phrase)
        while place >= 0:
            found.append(place)
            place = self._text.find(phrase, place + 1)
        return self._places[found]


def _citation_ends(chunk: Chunk) -> Places:
    """Where citation marks may end: the closing brackets behind an opening one, a digit, `edit` or `needed`."""
    places = chunk.of(0x5D)
    before = chunk.data[places - 1]
    may = (before == 0x5B) | (before >= 0x30) & (before <= 0x39) | (before >= 0x80)
    may |= load(chunk.data, places - 4) & np.uint64(0xFFFFFFFF) == _EDIT
    may |= load(chunk.data, places - 8) == _NEEDED
    found: Places = places[may]
    return found


def _within(places: Places, starts: Places, ends: Places, of: NDArray[np.bool_]) -> Places:
    """The lines, of those marked, that the places are in."""
    if not len(places) or not len(starts):
        return np.empty(0, np.int64)
    line = np.searchsorted(starts, places, "right") - 1
    inside = (line >= 0) & (places < ends[line]) & of[line]
    return np.unique(line[inside])


def _sentences(chunk: Chunk, starts: Places, ends: Places) -> Places:
    """Sentences of each line, at least one, as datatrove's fallback splitter finds them.

    A sentence is at least one character and then a run of characters that end sentences. A full stop behind a capital
    letter (`J. S. Bach`) ends none, unless the line has no other end behind it.
    """
    classes, data = chunk.classes, chunk.data
    marks = chunk.marks
    if not len(marks):
        return np.ones(len(starts), np.int64)
    lead = data[marks]
    after = marks + 1 + (lead >= 0xC0) + (lead >= 0xE0) + (lead >= 0xF0)
    opens = np.append(True, marks[1:] != after[:-1])
    alone = opens & np.append(opens[1:], True)
    initial = alone & (lead == 0x2E) & (classes[marks - 1] & UPPER > 0)
    begin, end = np.searchsorted(marks, starts), np.searchsorted(marks, ends)
    some = end > begin
    closes = opens & ~initial
    # A single mark at the very beginning of a sentence is its first character: at that of the line,
    first = begin[some]
    closes[first[(marks[first] == starts[some]) & alone[first]]] = False
    # and behind the quotation mark of another sentence.
    closes[_swallowed(classes, data, marks, opens, alone, closes)] = False
    total = np.concatenate([[0], np.cumsum(closes)])
    found = total[end] - total[begin]
    found += some & initial[np.maximum(end, 1) - 1]
    counts: Places = np.maximum(found, 1)
    return counts


def _swallowed(classes: Bytes, data: Bytes, marks: Places, opens: Flags, alone: Flags, closes: Flags) -> Places:
    """The single marks that follow a mark and a quotation mark, where these end a sentence.

    In a chain of such (`."."."`) every second one is swallowed, from the first on if what is before the chain ends one.
    """
    index = np.flatnonzero(alone & (classes[marks - 1] & QUOTE > 0))
    width = np.where(data[marks[index] - 1] < 0x80, 1, 3)
    index = index[(classes[marks[index] - 1 - width] & TERMINAL > 0) & (index > 0)]
    heads = np.flatnonzero(np.diff(index, prepend=-1) != 1)
    before = np.flatnonzero(opens)[np.cumsum(opens)[index[heads] - 1] - 1]
    place = np.arange(len(index)) - np.repeat(heads, np.diff(heads, append=len(index)))
    ended = np.repeat(closes[before], np.diff(heads, append=len(index)))
    swallowed: Places = index[(place % 2 == 0) == ended]
    return swallowed
