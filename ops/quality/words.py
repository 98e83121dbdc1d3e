"""Words between white space, and the features that are counted over them (Gopher's quality rules)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ops.quality.characters import ALPHA, BREAK, SPACE, WORDY, Bytes
from ops.quality.chunks import PADDING, Chunk, Places
from ops.quality.hashing import Keys, load, salts, spans_hash, taken

Column = NDArray[np.float64]

_DASH, _DOT = 0x2D, 0x2E
_BULLET, _ELLIPSIS = 0xA280E2, 0xA680E2
"""The three bytes of • and …, read from the last to the first."""


@dataclass(frozen=True)
class Words:
    """The words of a piece, as `str.split` finds them.

    Attributes:
        chunk: the piece.
        starts: where each word begins.
        ends: where it ends, exclusive.
    """

    chunk: Chunk
    starts: Places
    ends: Places

    @classmethod
    def find(cls, chunk: Chunk) -> Words:
        """All words: each run of characters that are not white space."""
        space = (chunk.classes[: len(chunk.data) - PADDING] & SPACE).view(np.bool_)
        edges = np.flatnonzero(space[1:] != space[:-1]) + 1
        if len(space) and not space[0]:
            edges = np.concatenate([[0], edges])
        return cls(chunk, edges[0::2].copy(), edges[1::2].copy())

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def bounds(self) -> Places:
        """Number of the first word of each text, and of one more."""
        return np.searchsorted(self.starts, self.chunk.bounds)

    @cached_property
    def counts(self) -> Places:
        """Words in each text."""
        return np.diff(self.bounds)

    @cached_property
    def texts(self) -> NDArray[np.int32]:
        """The text of each word."""
        return np.repeat(np.arange(len(self.chunk), dtype=np.int32), self.counts)

    @cached_property
    def lengths(self) -> Places:
        """Characters of each word."""
        return self.chunk.lengths(self.starts, self.ends)

    @cached_property
    def hashes(self) -> Keys:
        """A hash of each word; equal words of different texts have the same."""
        return spans_hash(self.chunk.data, self.starts, self.ends)

    @cached_property
    def salted(self) -> Keys:
        """Hashes that keep the words of different texts apart."""
        return self.hashes ^ np.repeat(salts(len(self.chunk)), self.counts)

    @cached_property
    def last_of_line(self) -> Places:
        """The words with a line end behind them, in the white space before the next word."""
        ended = self.chunk.classes[self.ends] & BREAK != 0
        if not len(self):
            return np.empty(0, np.int64)
        gaps = np.append(self.starts[1:], self.chunk.bounds[-1]) - self.ends
        unsure = np.flatnonzero((gaps > 1) & ~ended)
        if len(unsure):
            spans = np.stack([self.ends[unsure], self.ends[unsure] + gaps[unsure]], axis=1).ravel()
            seen = np.bitwise_or.reduceat(self.chunk.classes, spans)[::2]
            ended[unsure] = seen & BREAK != 0
        return np.flatnonzero(ended)

    @cached_property
    def first_of_line(self) -> Places:
        """The words that each line begins with, in the order of `last_of_line`."""
        return np.concatenate([[0], self.last_of_line[:-1] + 1])[: len(self.last_of_line)]

    def counted(self, words: Places) -> Places:
        """How many of these words are in each text."""
        return np.bincount(self.texts[words], minlength=len(self.chunk))

    @cached_property
    def offsets(self) -> Places:
        """Characters in all words before each word, and in all words."""
        found = np.zeros(len(self) + 1, np.int64)
        np.cumsum(self.lengths, out=found[1:])
        return found

    def without(self, bits: int) -> Places:
        """The words of which no character is of any of these classes, of `ALPHA` and `WORDY`."""
        places, classes = self._odd
        found: Places = places[classes & np.uint8(bits) == 0]
        return found

    @cached_property
    def _odd(self) -> tuple[Places, Bytes]:
        """The words in which not both `ALPHA` and `WORDY` are met, and which of them is."""
        both, classes = np.uint8(ALPHA | WORDY), self.chunk.classes
        # Two looks settle most words; what is behind a word of one byte is white space, which has neither.
        places = np.flatnonzero((taken(classes, self.starts) | taken(classes, self.starts + 1)) & both != both)
        spans = np.stack([self.starts[places], self.ends[places]], axis=1).ravel()
        found = np.bitwise_or.reduceat(classes, spans)[::2] if len(places) else np.empty(0, np.uint8)
        odd = found & both != both
        return places[odd], found[odd]


def word_features(words: Words, stop_words: list[str]) -> dict[str, Column]:
    """What Gopher's quality rules look at, for each text; shares of nothing are 0."""
    chunk, data = words.chunk, words.chunk.data
    unreal, without_letter = words.without(WORDY), words.without(ALPHA)
    counted = words.counts - words.counted(unreal)
    characters = words.offsets[words.bounds[1:]] - words.offsets[words.bounds[:-1]]
    characters -= np.bincount(words.texts[unreal], words.lengths[unreal], len(chunk)).astype(np.int64)
    lines = _lines_of(chunk)
    first, last = words.starts[words.first_of_line], words.ends[words.last_of_line]
    heads = load(data, first)
    bulleted = first[(heads & np.uint64(0xFF) == _DASH) | (heads & np.uint64(0xFFFFFF) == _BULLET)]
    trailing = last[_ends_with_ellipsis(chunk, last)] - 1
    return {
        "words": counted.astype(np.float64),
        "mean_word_length": share(characters, counted),
        "hashes": share(chunk.counted(chunk.of(0x23)), words.counts),
        "ellipses": share(_ellipses(chunk), words.counts),
        "bullet_lines": share(chunk.counted(bulleted), lines),
        "ellipsis_lines": share(chunk.counted(trailing), lines),
        "alphabetic_words": share(words.counts - words.counted(without_letter), words.counts),
        "stop_words": _stop_words(words, stop_words).astype(np.float64),
    }


def share(part: Places, whole: Places) -> Column:
    """One by the other; 0 where there is nothing to have a share of."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole != 0)


def _lines_of(chunk: Chunk) -> Places:
    """Lines of each text, as `str.splitlines` counts them."""
    data, classes = chunk.data, chunk.classes
    breaks, separators = chunk.newlines, np.ones(len(chunk), np.bool_)
    if np.count_nonzero(classes[: chunk.bounds[-1]] & BREAK) != len(breaks):
        kinds = classes[: chunk.bounds[-1]] & np.uint8(BREAK | 0x80)
        breaks = np.flatnonzero(kinds == BREAK)
        breaks = breaks[(data[breaks] != 10) | (data[breaks - 1] != 13)]
        separators = data[chunk.bounds[1:] - 2] != 13
    # The newline behind a text is none of its own, unless it was taken out as the second half of CR LF.
    own = chunk.counted(breaks) - separators
    filled = np.diff(chunk.bounds) > 1
    own += filled & (classes[chunk.bounds[1:] - 2] & BREAK == 0)
    return own


def _ellipses(chunk: Chunk) -> Places:
    """How often `...` and … are in each text, counted as `str.count` does."""
    places = chunk.marks[chunk.data[chunk.marks] == _DOT]
    found = np.zeros(len(chunk), np.int64)
    # Of runs of at least three dots each has one for every three.
    within = np.flatnonzero(places[2:] - places[:-2] == 2)
    if len(within):
        begins = np.flatnonzero(np.diff(within, prepend=-2) != 1)
        sizes = np.diff(begins, append=len(within)) + 2
        found += np.bincount(chunk.texts_of(places[within])[begins], sizes // 3, len(chunk)).astype(np.int64)
    if not chunk.narrow:
        leads = chunk.of(0xE2)
        found += chunk.counted(leads[load(chunk.data, leads) & np.uint64(0xFFFFFF) == _ELLIPSIS])
    return found


def _ends_with_ellipsis(chunk: Chunk, ends: Places) -> NDArray[np.bool_]:
    data = chunk.data
    # Before the first byte there is the padding's last, a newline.
    dots: NDArray[np.bool_] = (data[ends - 1] == _DOT) & (data[ends - 2] == _DOT) & (data[ends - 3] == _DOT)
    if chunk.narrow:
        return dots
    dots |= (data[ends - 1] == 0xA6) & (data[ends - 2] == 0x80) & (data[ends - 3] == 0xE2)
    return dots


def _stop_words(words: Words, stop_words: list[str]) -> Places:
    """How many different stop words are in each text."""
    if not stop_words:
        return np.zeros(len(words.chunk), np.int64)
    wanted = sorted({word.encode() for word in stop_words})
    content = np.frombuffer(b"".join(wanted) + b"\n" * PADDING, np.uint8)
    ends = np.cumsum([len(word) for word in wanted])
    keys = np.sort(
        spans_hash(np.append(content, np.full(-len(content) % 8, 10, np.uint8)), ends - np.diff(ends, prepend=0), ends)
    )
    table = np.zeros(1 << 12, np.bool_)
    table[(keys >> np.uint64(52)).view(np.int64)] = True
    likely = np.flatnonzero(taken(table, (words.hashes >> np.uint64(52)).view(np.int64)))
    asked = taken(words.hashes, likely)
    index = np.searchsorted(keys, asked)
    is_one = np.flatnonzero(taken(keys, index) == asked)
    seen = np.zeros((len(words.chunk), len(keys)), np.bool_)
    seen[words.texts[likely[is_one]], index[is_one]] = True
    found: Places = np.count_nonzero(seen, axis=1)
    return found
