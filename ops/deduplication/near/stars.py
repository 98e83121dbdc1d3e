"""Which of the texts that are alike stay: each text that goes is itself similar enough to one that stays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ops.deduplication.near.shingling import I64


class Stars(NamedTuple):
    """For each text the kept one that it is removed for, and how similar they are; -1 where it stays itself."""

    center: I64
    similarity: npt.NDArray[np.float64]


def stars(size: int, later: I64, earlier: I64, similarity: npt.NDArray[np.float64]) -> Stars:
    """Decide on texts that are numbered in the order in which they are to be kept, the longest first.

    A text stays unless it is similar enough to one before it that stays: similar only to one that goes is no reason
    (deletion along such chains took away whole collections of others).

    Args:
        size: number of texts.
        later: of each pair that is similar enough, the text with the higher number.
        earlier: the other one.
        similarity: of the pairs.
    """
    center = np.full(size, -1, dtype=np.int64)
    best = np.zeros(size)
    open_, gone = np.ones(size, dtype=np.bool_), np.zeros(size, dtype=np.bool_)
    order = np.lexsort((earlier, -similarity, later))
    later, earlier, similarity = later[order], earlier[order], similarity[order]
    while open_.any():
        # Texts that wait for nobody stay; in each turn the first open text is one of them.
        waiting = np.zeros(size, dtype=np.bool_)
        waiting[later] = True
        stays = open_ & ~waiting
        open_ &= waiting
        going = np.unique(later[stays[earlier]])
        gone[going] = True
        open_[going] = False
        taken = gone[later] & stays[earlier]
        _note(center, best, later[taken], earlier[taken], similarity[taken])
        # What is decided of one of the two, a pair has no more say in.
        left = open_[later] & ~gone[earlier]
        later, earlier, similarity = later[left], earlier[left], similarity[left]
    return Stars(center, best)


def _note(
    center: I64, best: npt.NDArray[np.float64], later: I64, earlier: I64, similarity: npt.NDArray[np.float64]
) -> None:
    """Keep for each text the first of its pairs, which are in order of falling similarity."""
    texts, first = np.unique(later, return_index=True)
    center[texts] = earlier[first]
    best[texts] = similarity[first]
