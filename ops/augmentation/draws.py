"""Random numbers that depend on a seed and a place alone, for many rows at once.

A running generator for each row would cost more than what is done with its numbers. These are hashes (the finaliser of
MurmurHash3, twice) of the row's seed, a stream and the place within the row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_FIRST, _SECOND = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(33)

Numbers = NDArray[np.int64]


def uniforms(seeds: NDArray[np.uint64], places: Numbers, stream: int) -> NDArray[np.float64]:
    """Numbers from 0 up to 1 for pairs of a seed and a place; each stream is independent of the others."""
    key = _mixed(seeds + np.uint64((stream + 1) * int(_STEP) % (1 << 64)))
    bits = _mixed(_mixed(key + (places.astype(np.uint64) + np.uint64(1)) * _STEP))
    return (bits >> np.uint64(11)).astype(np.float64) / float(1 << 53)


def as_seeds(seeds: Sequence[int]) -> NDArray[np.uint64]:
    """The seeds as an array."""
    return np.array(seeds, dtype=np.uint64)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    values = (values ^ values >> _SHIFT) * _FIRST
    values = (values ^ values >> _SHIFT) * _SECOND
    return values ^ values >> _SHIFT
