"""Repeated runs of words, exactly: top n-grams and repeated n-grams (Gopher's repetition rules)."""

from __future__ import annotations

from typing import NamedTuple

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


class Runs(NamedTuple):
    """The runs of n words that are in their text more than once.

    Attributes:
        size: n.
        places: numbers of the words that they begin with, rising.
        first: for each its first equal, as an index into `places`.
    """

    size: int
    places: Places
    first: NDArray[np.int32]


def run_features(words: Words) -> dict[str, Column]:
    """For each text the share of its characters in its most frequent run of 2, 3, 4 words, and in repeated longer ones.

    A run of n + 1 words can only be repeated where the runs of n words at its two first words are, so that each length
    looks at what the length before has left, and two numbers tell a run apart without a hash.
    """
    ends = np.concatenate([[0], np.cumsum(words.lengths)])
    runs, features = _pairs(words), {}
    for size in range(TOP[0], ALL[-1] + 1):
        if size > TOP[0]:
            runs = _longer(runs)
        if size in TOP:
            found = _top(words, runs, ends)
        else:
            taken = repeats(runs, words.texts)
            sizes = ends[taken + size] - ends[taken]
            found = np.bincount(words.texts[taken], sizes, len(words.chunk)).astype(np.int64)
        name = f"top_{size}_grams" if size in TOP else f"repeated_{size}_grams"
        features[name] = share(found, words.chunk.text_lengths)
    return features


def _pairs(words: Words) -> Runs:
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
    return Runs(2, places, index[first[places]])


def _longer(runs: Runs) -> Runs:
    """From the repeated runs of n words those of n + 1."""
    both = np.flatnonzero(runs.places[1:] == runs.places[:-1] + 1)
    pair = runs.first[both].astype(np.uint64) << np.uint64(32) | runs.first[both + 1].astype(np.uint64)
    first = first_equal(mixed(pair * _ODD))
    kept = repeated(first)
    index = np.empty(len(both), np.int32)
    index[kept] = np.arange(len(kept), dtype=np.int32)
    return Runs(runs.size + 1, runs.places[both[kept]], index[first[kept]])


def _top(words: Words, runs: Runs, ends: Places) -> Places:
    """Characters (with one space between words) in the most frequent run, the first of the most frequent ones.

    Where no run is repeated that is the first run, as in datatrove.
    """
    found = np.zeros(len(words.chunk), np.int64)
    some = np.flatnonzero(words.counts >= runs.size)
    begin = words.bounds[some]
    found[some] = ends[begin + runs.size] - ends[begin] + runs.size - 1
    counts = np.bincount(runs.first, minlength=len(runs.places))
    heads = np.flatnonzero(counts > 1)
    if len(heads):
        texts = words.texts[runs.places[heads]]
        begins = np.flatnonzero(np.diff(texts, prepend=-1))
        best = np.maximum.reduceat(counts[heads] << 32 | (2**32 - 1 - heads), begins)
        place = runs.places[2**32 - 1 - (best & 2**32 - 1)]
        found[texts[begins]] = (best >> 32) * (ends[place + runs.size] - ends[place] + runs.size - 1)
    return found


def repeats(runs: Runs, texts: NDArray[np.int32]) -> Places:
    """The places of the runs that a walk through each text counts as repeated.

    The walk goes from word to word and remembers the runs that it meets; over one that it has met it jumps, so that
    counted runs never overlap, and what is jumped over is not met. Whether a run has been met depends on the jumps
    before it: the walk is done with a guess (all but first ones have been), what it met corrects the guess, and the
    texts where that changed something walk again. Each time at least one more jump is right.
    """
    size, places, first = runs
    own = np.arange(len(places), dtype=np.int32)
    known = first != own
    todo = own
    done: list[Places] = []
    while len(todo):
        here, known_here = places[todo], known[todo]
        jumps = _walk(here[known_here], size, texts)
        before = np.searchsorted(jumps, here) - 1
        jumped = (before >= 0) & (here < jumps[before] + size) if len(jumps) else np.zeros(len(here), np.bool_)
        met = np.flatnonzero(~jumped)[::-1]
        earliest = np.full(len(places), len(places), np.int32)
        earliest[first[todo[met]]] = todo[met]
        corrected = earliest[first[todo]] < todo
        wrong = np.zeros(int(texts[here[-1]]) + 1, np.bool_)
        wrong[texts[here[(corrected != known_here) & ~jumped]]] = True
        done.append(jumps[~wrong[texts[jumps]]])
        known[todo] = corrected
        todo = todo[wrong[texts[here]]]
    return np.sort(np.concatenate(done)) if done else np.empty(0, np.int64)


def _walk(known: Places, size: int, texts: NDArray[np.int32]) -> Places:
    """Those of the known runs that are met when each text is walked from its first one, jumping over each that is met.

    By doubling: with where 1, 2, 4, ... jumps lead, as many steps as the logarithm of the longest chain.
    """
    if not len(known):
        return known
    leads = np.append(np.searchsorted(known, known + size), len(known))
    met = np.zeros(len(known) + 1, np.bool_)
    new = np.flatnonzero(np.diff(texts[known], prepend=-1))
    met[new] = True
    count = len(new)
    while True:
        met[leads[np.flatnonzero(met[:-1])]] = True
        now = int(np.count_nonzero(met[:-1]))
        if now == count:
            return known[met[:-1]]
        count, leads = now, leads[leads]
