"""The exact Jaccard similarity of pairs of stored shingle sets: what was proposed is decided here."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ops.deduplication.near.candidates import Pairs
from ops.deduplication.near.shingling import CHUNK_TEXTS, I64, SHINGLE_BITS, U64
from ops.deduplication.near.signed import Signed

BATCH_SHINGLES = 1 << 17
"""Shingles that are compared at a time: they stay in the processor's cache."""


def shared(pairs: Pairs, new: Signed, old: Signed) -> I64:
    """For each pair the number of shingles that both texts have."""
    found = np.zeros(len(pairs.left), dtype=np.int64)
    sizes = np.cumsum(new.counts[pairs.left] + old.counts[pairs.right])
    start = 0
    while start < len(found):
        before = int(sizes[start - 1]) if start else 0
        stop = max(int(np.searchsorted(sizes, before + BATCH_SHINGLES, side="right")), start + 1)
        stop = min(stop, start + CHUNK_TEXTS)
        keys = np.concatenate(
            (_keys(pairs.left[start:stop], new), _keys(pairs.right[start:stop], old)),
        )
        keys.sort()
        # A set has each shingle once: what stands there twice is in both.
        twice = keys[1:][keys[1:] == keys[:-1]] >> np.uint64(SHINGLE_BITS)
        found[start:stop] = np.bincount(twice.astype(np.int64), minlength=stop - start)
        start = stop
    return found


def jaccard(pairs: Pairs, new: Signed, old: Signed) -> npt.NDArray[np.float64]:
    """Of each pair the share of its shingles that both texts have."""
    both = shared(pairs, new, old)
    return both / (new.counts[pairs.left] + old.counts[pairs.right] - both)


def _keys(rows: I64, signed: Signed) -> U64:
    """The shingles of rows one after the other, each below the number of its row in the batch."""
    sizes = signed.counts[rows]
    places = np.repeat(signed.offsets[rows] - (np.cumsum(sizes) - sizes), sizes)
    places += np.arange(len(places))
    owner = np.repeat(np.arange(len(rows), dtype=np.uint64) << np.uint64(SHINGLE_BITS), sizes)
    found: U64 = signed.shingles[places] | owner
    return found
