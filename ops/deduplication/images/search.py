"""All pairs of 64-bit hashes that differ in few bits, by four indices of 16 bits (Norouzi et al., 2012)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]

_CHUNKS, _BITS = 4, 16
_AT_ONCE = 1 << 22  # candidates that are looked at together: bounds memory


@cache
def _near(radius: int) -> NDArray[np.uint32]:
    """All 16-bit numbers with at most that many ones."""
    ones = [sum(1 << bit for bit in bits) for k in range(radius + 1) for bits in combinations(range(_BITS), k)]
    return np.array(ones, np.uint32)


def _part(hashes: NDArray[np.uint64], chunk: int) -> NDArray[np.uint32]:
    return ((hashes >> np.uint64(_BITS * chunk)) & np.uint64(0xFFFF)).astype(np.uint32)


class Index:
    """Hashes that can be searched. Two that differ in r bits differ in at most r // 4 bits of one of their quarters."""

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        """Sort the hashes by each of their quarters."""
        self.hashes = hashes
        self._orders, self._starts = [], []
        for chunk in range(_CHUNKS):
            part = _part(hashes, chunk)
            self._orders.append(np.argsort(part, kind="stable"))
            self._starts.append(np.concatenate([[0], np.bincount(part, minlength=1 << _BITS).cumsum()]))

    def within(self, queries: NDArray[np.uint64], radius: int) -> Pairs:
        """(query, hash) numbers of all that differ in at most `radius` bits, each once, ordered by both."""
        found = [pairs for chunk in range(_CHUNKS) for pairs in self._found(queries, radius, chunk)]
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        left, right = (np.concatenate([pair[side] for pair in found]) for side in (0, 1))
        keys = np.unique(left * max(1, len(self.hashes)) + right)
        return keys // max(1, len(self.hashes)), keys % max(1, len(self.hashes))

    def _found(self, queries: NDArray[np.uint64], radius: int, chunk: int) -> Iterator[Pairs]:
        masks, starts, order = _near(radius // _CHUNKS), self._starts[chunk], self._orders[chunk]
        part = _part(queries, chunk)
        step = max(1, _AT_ONCE // len(masks))
        for begin in range(0, len(queries), step):
            probes = part[begin : begin + step, None] ^ masks
            first = starts[probes]
            counts = (starts[probes + 1] - first).ravel()
            asking = np.repeat(np.arange(len(probes)) + begin, len(masks))
            first = first.ravel()
            ends = counts.cumsum()
            at = 0
            while at < len(counts):
                done = ends[at - 1] if at else 0
                to = max(at + 1, int(np.searchsorted(ends, done + _AT_ONCE, side="right")))
                some = counts[at:to]
                inside = np.arange(int(some.sum())) - np.repeat(some.cumsum() - some, some)
                right = order[np.repeat(first[at:to], some) + inside]
                left = np.repeat(asking[at:to], some)
                near = np.bitwise_count(queries[left] ^ self.hashes[right]) <= radius
                yield left[near], right[near]
                at = to
