"""A permutation of very many numbers of which any part can be had without the rest.

A balanced Feistel network over the smallest even number of bits that holds all numbers is a bijection whatever its
round function is (Luby and Rackoff, 1988); numbers that fall outside are sent through again until they fall inside
(cycle walking: Black and Rogaway, 2002). That shuffling this way is good enough, and fast, is shown by Mitchell et al.
(2022, "Bandwidth-optimal random shuffling for GPUs").
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

ROUNDS = 8

_FIRST, _SECOND = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(33)

Numbers = NDArray[np.int64]


class Shuffle:
    """The permutation of 0 ... count - 1 that a key names."""

    def __init__(self, count: int, *key: object) -> None:
        """Nothing is computed yet.

        Args:
            count: how many numbers there are; at least one.
            key: what the permutation depends on beside `count`.
        """
        self._count = np.uint64(count)
        half = max(1, (max(count - 1, 1).bit_length() + 1) // 2)
        self._half, self._mask = np.uint64(half), np.uint64((1 << half) - 1)
        digest = hashlib.sha512(repr(key).encode()).digest()
        self._keys = np.frombuffer(digest, "<u8", count=ROUNDS).astype(np.uint64)

    def __call__(self, places: Numbers) -> Numbers:
        """The numbers at some places of the permutation; a place is below the count."""
        found = self._once(places.astype(np.uint64))
        outside = np.flatnonzero(found >= self._count)
        while len(outside):
            found[outside] = self._once(found[outside])
            outside = outside[found[outside] >= self._count]
        return found.astype(np.int64)

    def _once(self, values: NDArray[np.uint64]) -> NDArray[np.uint64]:
        left, right = values >> self._half, values & self._mask
        for key in self._keys:
            left, right = right, left ^ (_mixed(right ^ key) & self._mask)
        return left << self._half | right


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of MurmurHash3 (Appleby, 2011): every bit depends on every bit."""
    values = (values ^ values >> _SHIFT) * _FIRST
    values = (values ^ values >> _SHIFT) * _SECOND
    return values ^ values >> _SHIFT
