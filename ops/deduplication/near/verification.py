"""The exact Jaccard similarity of pairs of stored shingle sets: what was proposed is decided here."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from ops.deduplication.near.runs import Run
from ops.deduplication.near.shingling import CHUNK_TEXTS, I64, SHINGLE_BITS, U64
from ops.deduplication.near.signed import Signed
from ops.storage.blocks import Blocks

BATCH_SHINGLES = 1 << 17
"""Shingles that are compared at a time: they stay in the processor's cache."""

BATCH_PAIRS = CHUNK_TEXTS
"""Pairs that are compared at a time, each of which may lie in a block of its own."""

_AT_A_TIME = 1 << 14

Shingled = tuple[Blocks, I64, I64]
"""A partition's shingles; for some texts where theirs begin, and how many they are."""


def edges(pairs: U64, new: Signed, run: Run, shingles: Callable[[str], Blocks], threshold: float) -> Iterator[U64]:
    """Rows (left set, right set, bits of their similarity) of the pairs that are similar enough.

    Args:
        pairs: (row of `new` in the high half, row of `run` in the low half), ascending.
        new: the partition at hand.
        run: a run that may be that of `new` itself.
        shingles: gives those of a partition.
        threshold: the least similarity.
    """
    for start in range(0, len(pairs), _AT_A_TIME):
        some = pairs[start : start + _AT_A_TIME]
        left = new.run.texts.take((some >> np.uint64(32)).astype(np.int64))
        rows = (some & np.uint64(0xFFFFFFFF)).astype(np.int64)
        right = run.texts.take(rows)
        part = np.searchsorted(run.bases, rows, side="right") - 1
        counts = left[:, 1].astype(np.int64) + right[:, 1].astype(np.int64)
        both = counts // 2
        unequal = left[:, 0] != right[:, 0]
        for number in np.unique(part[unequal]).tolist():
            of = np.flatnonzero(unequal & (part == number))
            theirs = shingles(run.parts[number].partition)
            both[of] = shared(_shingled(new.shingles, left[of]), _shingled(theirs, right[of]))
        similarity = both / (counts - both)
        alike = similarity >= threshold
        yield np.stack((left[alike, 0], right[alike, 0], similarity[alike].view(np.uint64)), axis=1)


def _shingled(blocks: Blocks, texts: U64) -> Shingled:
    return blocks, texts[:, 2].astype(np.int64), texts[:, 1].astype(np.int64)


def shared(one: Shingled, other: Shingled) -> I64:
    """For each pair the number of shingles that both texts have."""
    found = np.zeros(len(one[1]), dtype=np.int64)
    sizes = np.cumsum(one[2] + other[2])
    start = 0
    while start < len(found):
        before = int(sizes[start - 1]) if start else 0
        stop = max(int(np.searchsorted(sizes, before + BATCH_SHINGLES, side="right")), start + 1)
        stop = min(stop, start + BATCH_PAIRS)
        keys = np.concatenate([_keys(side, slice(start, stop)) for side in (one, other)])
        keys.sort(kind="stable")  # which merges what is in order on both sides
        # A set has each shingle once: what stands there twice is in both.
        twice = keys[1:][keys[1:] == keys[:-1]] >> np.uint64(SHINGLE_BITS)
        found[start:stop] = np.bincount(twice.astype(np.int64), minlength=stop - start)
        start = stop
    return found


def _keys(side: Shingled, some: slice) -> npt.NDArray[np.uint64]:
    """The shingles of some texts one after the other, each below the number of its text in the batch."""
    blocks, starts, counts = side
    starts, counts = starts[some], counts[some]
    found: U64 = blocks.take(starts, counts)
    found |= np.repeat(np.arange(len(starts), dtype=np.uint64) << np.uint64(SHINGLE_BITS), counts)
    return found
