"""Repeated runs of words, exactly: top n-grams and repeated n-grams (Gopher's repetition rules)."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ops.quality.chunks import Places
from ops.quality.hashing import first_equal, mixed, repeated
from ops.quality.words import Column, Words, share

TOP = (2, 3, 4)
"""Lengths of which the most frequent run counts."""
ALL = (5, 6, 7, 8, 9, 10)
"""Lengths of which all repeated runs count."""

_ODD = np.uint64(0xFF51AFD7ED558CCD)


class Pairs(NamedTuple):
    """The runs of two words of a piece that are in their text more than once, and what longer ones take from it.

    Attributes:
        places: numbers of the words that they begin with, rising.
        first: for each its first equal, as an index into `places`.
        texts: for each its text.
        offsets: characters in all words before each word, and in all words.
        begins: number of the first word of each text.
        counts: words of each text.
        characters: of each text.
    """

    places: Places
    first: NDArray[np.int32]
    texts: NDArray[np.int32]
    offsets: Places
    begins: Places
    counts: Places
    characters: Places


class Runs(NamedTuple):
    """The runs of n words that are in their text more than once.

    Attributes:
        size: n.
        places: numbers of the words that they begin with, rising.
        first: for each its first equal, as an index into `places`.
        texts: for each its text.
    """

    size: int
    places: Places
    first: NDArray[np.int32]
    texts: NDArray[np.int32]


def run_features(pairs: list[Pairs]) -> dict[str, Column]:
    """For each text the share of its characters in its most frequent run of 2, 3, 4 words, and in repeated longer ones.

    A run of n + 1 words can only be repeated where the runs of n words at its two first words are, so that each length
    looks at what the length before has left, and two numbers tell a run apart without a hash. As little is left, many
    pieces are looked at together.
    """
    whole = _joined(pairs)
    runs, features = Runs(TOP[0], whole.places, whole.first, whole.texts), {}
    for size in range(TOP[0], ALL[-1] + 1):
        if size > TOP[0]:
            runs = _longer(runs)
        if size in TOP:
            found = _top(whole, runs)
        else:
            counted = repeats(runs)
            begins = runs.places[counted]
            sizes = whole.offsets[begins + size] - whole.offsets[begins]
            found = np.bincount(runs.texts[counted], sizes, len(whole.counts)).astype(np.int64)
        name = f"top_{size}_grams" if size in TOP else f"repeated_{size}_grams"
        features[name] = share(found, whole.characters)
    return features


def _joined(pairs: list[Pairs]) -> Pairs:
    """Several pieces as if they were one."""
    if len(pairs) == 1:
        return pairs[0]

    def together(values: list[NDArray[Any]], sizes: list[int]) -> NDArray[Any]:
        bases = itertools.accumulate(sizes, initial=0)
        return np.concatenate([part + values[0].dtype.type(base) for part, base in zip(values, bases, strict=False)])

    words, texts = [len(part.offsets) for part in pairs], [len(part.counts) for part in pairs]
    return Pairs(
        together([part.places for part in pairs], words),
        together([part.first for part in pairs], [len(part.places) for part in pairs]),
        together([part.texts for part in pairs], texts),
        np.concatenate([part.offsets for part in pairs]),
        together([part.begins for part in pairs], words),
        np.concatenate([part.counts for part in pairs]),
        np.concatenate([part.characters for part in pairs]),
    )


def find_pairs(words: Words) -> Pairs:
    """The repeated runs of two words."""
    salted = words.salted
    keys = salted[:-1] * _ODD + salted[1:]
    across = words.bounds[1:-1] - 1
    across = across[(across >= 0) & (across < len(keys))]
    # What reaches into the next text is no run: keys of its own for each.
    keys[across] = mixed(across.astype(np.uint64) + np.uint64(1)) * _ODD
    first = first_equal(keys)
    places = repeated(first)
    index = np.empty(len(keys), np.int32)
    index[places] = np.arange(len(places), dtype=np.int32)
    texts, characters = words.texts[places], words.chunk.text_lengths
    first = index[first[places]]
    return Pairs(places, first, texts, words.offsets, words.bounds[:-1], words.counts, characters)


def _longer(runs: Runs) -> Runs:
    """From the repeated runs of n words those of n + 1."""
    both = np.flatnonzero(runs.places[1:] == runs.places[:-1] + 1)
    pair = runs.first[both].astype(np.uint64) << np.uint64(32) | runs.first[both + 1].astype(np.uint64)
    first = first_equal(mixed(pair * _ODD))
    kept = repeated(first)
    index = np.empty(len(both), np.int32)
    index[kept] = np.arange(len(kept), dtype=np.int32)
    stay = both[kept]
    return Runs(runs.size + 1, runs.places[stay], index[first[kept]], runs.texts[stay])


def _top(whole: Pairs, runs: Runs) -> Places:
    """Characters (with one space between words) in the most frequent run, the first of the most frequent ones.

    Where no run is repeated that is the first run, as in datatrove.
    """
    ends, found = whole.offsets, np.zeros(len(whole.counts), np.int64)
    some = np.flatnonzero(whole.counts >= runs.size)
    begin = whole.begins[some]
    found[some] = ends[begin + runs.size] - ends[begin] + runs.size - 1
    counts = np.bincount(runs.first, minlength=len(runs.places))
    heads = np.flatnonzero(counts > 1)
    if len(heads):
        texts = runs.texts[heads]
        begins = np.flatnonzero(np.diff(texts, prepend=-1))
        best = np.maximum.reduceat(counts[heads] << 32 | (2**32 - 1 - heads), begins)
        place = runs.places[2**32 - 1 - (best & 2**32 - 1)]
        found[texts[begins]] = (best >> 32) * (ends[place + runs.size] - ends[place] + runs.size - 1)
    return found


def repeats(runs: Runs) -> NDArray[np.int32]:
    """Which of the runs, by their number, a walk through each text counts as repeated.

    The walk goes from word to word and remembers the runs that it meets; over one that it has met it jumps, so that
    counted runs never overlap, and what is jumped over is not met. Whether a run has been met depends on the jumps
    before it: the walk is done with a guess (all but first ones have been), what it met corrects the guess, and the
    texts where that changed something walk again. Each time at least one more jump is right.
    """
    size, places, first, texts = runs
    own = np.arange(len(places), dtype=np.int32)
    known = first != own
    todo = own
    done: list[NDArray[np.int32]] = []
    while len(todo):
        here, texts_here, known_here = places[todo], texts[todo], known[todo]
        jumps = todo[known_here]
        jumps = jumps[_walk(places[jumps], texts[jumps], size)]
        leaps = places[jumps]
        before = np.searchsorted(leaps, here) - 1
        jumped = (before >= 0) & (here < leaps[before] + size) if len(jumps) else np.zeros(len(here), np.bool_)
        met = todo[~jumped][::-1]
        earliest = np.full(len(places), len(places), np.int32)
        earliest[first[met]] = met
        corrected = earliest[first[todo]] < todo
        wrong = np.zeros(int(texts_here[-1]) + 1, np.bool_)
        wrong[texts_here[(corrected != known_here) & ~jumped]] = True
        done.append(jumps[~wrong[texts[jumps]]])
        known[todo] = corrected
        todo = todo[wrong[texts_here]]
    return np.sort(np.concatenate(done)) if done else np.empty(0, np.int32)


def _walk(known: Places, texts: NDArray[np.int32], size: int) -> NDArray[np.bool_]:
    """Which of the known runs are met when each text is walked from its first one, jumping over each that is met.

    By doubling: with where 1, 2, 4, ... jumps lead, as many steps as the logarithm of the longest chain.
    """
    leads = np.append(np.searchsorted(known, known + size), len(known))
    met = np.append(np.diff(texts, prepend=-1) != 0, False)
    count = int(np.count_nonzero(met))
    while True:
        met[leads[np.flatnonzero(met[:-1])]] = True
        now = int(np.count_nonzero(met[:-1]))
        if now == count:
            return met[:-1]
        count, leads = now, leads[leads]
