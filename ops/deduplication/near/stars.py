"""Which of the texts that are alike stay: each text that goes is itself similar enough to one that stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ops.deduplication.near.shingling import I64

Edges = tuple[I64, I64, npt.NDArray[np.float64]]
"""Of some pairs that are similar enough: the text with the higher number, the other one, and their similarity."""

Source = Callable[[], Iterable[Edges]]
"""Gives all pairs, some at a time, as often as it is asked."""


class Stars(NamedTuple):
    """For each text the kept one that it is removed for, and how similar they are; -1 where it stays itself."""

    center: I64
    similarity: npt.NDArray[np.float64]


def stars(size: int, source: Source, held: int) -> Stars:
    """Decide on texts that are numbered in the order in which they are to be kept, the longest first.

    A text stays unless it is similar enough to one before it that stays: similar only to one that goes is no reason
    (deletion along such chains took away whole collections of others). The pairs are gone through again and again,
    until what is not decided yet is few enough to be held.

    Args:
        size: number of texts.
        source: the pairs.
        held: how many pairs may be held in memory.
    """
    open_, gone = np.ones(size, dtype=np.bool_), np.zeros(size, dtype=np.bool_)
    left = source
    while open_.any():
        # Texts that wait for nobody stay; in each turn the first open text is one of them.
        waiting = np.zeros(size, dtype=np.bool_)
        kept: list[Edges] = []
        pairs = 0
        for later, earlier, similarity in left():
            undecided = open_[later] & ~gone[earlier]
            some = later[undecided], earlier[undecided], similarity[undecided]
            waiting[some[0]] = True
            pairs += len(some[0])
            kept.append(some)
            if pairs > held:
                kept.clear()
        if pairs <= held:
            left = _again(kept)
        stays = open_ & ~waiting
        open_ &= waiting
        for later, earlier, _ in left():
            going = later[stays[earlier]]
            gone[going] = True
            open_[going] = False
    return _centers(size, source, gone)


def _again(edges: list[Edges]) -> Source:
    return lambda: edges


def _centers(size: int, source: Source, gone: npt.NDArray[np.bool_]) -> Stars:
    """For each text that goes the most similar one that stays, the first among equals."""
    center, best = np.full(size, -1, dtype=np.int64), np.zeros(size)
    for later, earlier, similarity in source():
        taken = gone[later] & ~gone[earlier]
        later, earlier, similarity = later[taken], earlier[taken], similarity[taken]
        order = np.lexsort((earlier, -similarity, later))
        texts, first = np.unique(later[order], return_index=True)
        other, value = earlier[order][first], similarity[order][first]
        better = (value > best[texts]) | ((value == best[texts]) & (other < center[texts]))
        center[texts[better]], best[texts[better]] = other[better], value[better]
    return Stars(center, best)
