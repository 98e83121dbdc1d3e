"""Pairs of texts that agree on a band, found by merging sorted records, with a bounded cost for a bucket of any size.

Members of a bucket are put in order of their number of shingles. Each is compared with its `NEIGHBOURS` next ones,
which are most like it in size, and with the `LEADERS` largest that are not too large to be similar: a thousand copies
of one text all meet their leader, and 50,000 texts that have only boilerplate in common cost 12 comparisons each, not
25,000.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ops.deduplication.near.minhash import ROW_BITS
from ops.deduplication.near.shingling import I64, U64
from ops.deduplication.near.signed import Signed

NEIGHBOURS, LEADERS = 8, 4
_ROW = np.uint64((1 << ROW_BITS) - 1)
_HASH = np.uint64(ROW_BITS)
_SIZE_BITS = 32


class Pairs(NamedTuple):
    """Rows of a new partition beside rows of another one (or of the same)."""

    left: I64
    right: I64


def candidates(new: Signed, old: Signed, threshold: float, records: int) -> Pairs:
    """Pairs of a text of `new` and one of `old` that may be as similar as the threshold, each pair once.

    Args:
        new: the partition at hand.
        old: an earlier one, or the same again: then each pair is named once, and no text beside itself.
        threshold: the least similarity.
        records: how many band records are looked at a time.
    """
    found = [_of_buckets(bucket, new, old, threshold) for bucket in _shared(new, old, records)]
    pairs = np.concatenate(found) if found else np.zeros(0, dtype=np.uint64)
    pairs = _distinct(pairs)
    left, right = (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)
    return Pairs(left, right)


def agreeing(pairs: Pairs, new: Signed, old: Signed, least: int) -> Pairs:
    """The pairs whose sketches agree in at least so many places."""
    kept = np.zeros(len(pairs.left), dtype=np.bool_)
    step = 1 << 15
    for start in range(0, len(kept), step):
        left, right = pairs.left[start : start + step], pairs.right[start : start + step]
        kept[start : start + step] = np.count_nonzero(new.sketch[left] == old.sketch[right], axis=1) >= least
    return Pairs(pairs.left[kept], pairs.right[kept])


def _shared(new: Signed, old: Signed, records: int) -> Iterator[tuple[U64, U64]]:
    """Records of `new` whose hash is in `old`, and those of `old` with them, some at a time in order of the hash."""
    start = 0
    while start < len(new.bands):
        stop = min(start + records, len(new.bands))
        if stop < len(new.bands):
            # Not within a bucket: all of it is seen at a time.
            stop = int(np.searchsorted(new.bands, (new.bands[stop - 1] >> _HASH) + np.uint64(1) << _HASH))
        some = np.asarray(new.bands[start:stop])
        start = stop
        hashes = some >> _HASH
        if old is new:
            same = hashes[1:] == hashes[:-1]
            several = np.concatenate((same, [False])) | np.concatenate(([False], same))
            yield some[several], some[:0]
            continue
        first = np.concatenate(([True], hashes[1:] != hashes[:-1]))
        distinct = hashes[first]
        low = np.searchsorted(old.bands, distinct << _HASH)
        met = np.zeros(len(distinct), dtype=np.bool_)
        within = low < len(old.bands)
        met[within] = old.bands[low[within]] >> _HASH == distinct[within]
        high = np.searchsorted(old.bands, (distinct[met] + np.uint64(1)) << _HASH)
        sizes = high - low[met]
        places = np.repeat(low[met] - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())
        yield some[met[np.cumsum(first) - 1]], np.asarray(old.bands[places])


def _of_buckets(bucket: tuple[U64, U64], new: Signed, old: Signed, threshold: float) -> U64:
    """Pairs (left in the high half, right in the low half) among the members of some whole buckets."""
    mine, theirs = bucket
    rows = (np.concatenate((mine, theirs)) & _ROW).astype(np.int64)
    if not rows.size:
        return np.zeros(0, dtype=np.uint64)
    hashes = np.concatenate((mine, theirs)) >> _HASH
    is_new = np.arange(len(rows)) < len(mine)
    counts = np.where(is_new, new.counts[np.where(is_new, rows, 0)], old.counts[np.where(is_new, 0, rows)])
    sets = np.where(is_new, new.sets[np.where(is_new, rows, 0)], old.sets[np.where(is_new, 0, rows)])
    order = np.lexsort((sets, -counts, hashes))
    rows, hashes, is_new, counts = rows[order], hashes[order], is_new[order], counts[order]
    number = np.cumsum(np.concatenate(([False], hashes[1:] != hashes[:-1])))
    # Ascending by bucket, then descending by size.
    place = (number << _SIZE_BITS) + ((1 << _SIZE_BITS) - 1 - counts)
    largest = np.floor(counts / threshold + 1e-9).astype(np.int64)
    leader = np.searchsorted(place, (number << _SIZE_BITS) + ((1 << _SIZE_BITS) - 1 - largest))
    index = np.arange(len(rows))
    found: list[U64] = []
    for distance in range(1, NEIGHBOURS + LEADERS + 1):
        other = index - distance if distance <= NEIGHBOURS else leader + (distance - NEIGHBOURS - 1)
        fine = (other >= leader) & (other < index)
        if distance > NEIGHBOURS:
            fine &= other < index - NEIGHBOURS
        elif not fine.any():
            break
        fine[fine] &= is_new[index[fine]] | is_new[other[fine]]
        if old is not new:
            fine[fine] &= ~(is_new[index[fine]] & is_new[other[fine]])
        found.append(_named(rows, is_new, index[fine], other[fine], old is new))
    return _distinct(np.concatenate(found)) if found else np.zeros(0, dtype=np.uint64)


def _named(rows: I64, is_new: np.ndarray[tuple[int], np.dtype[np.bool_]], one: I64, two: I64, same: bool) -> U64:
    a, b = rows[one], rows[two]
    if same:
        a, b = np.maximum(a, b), np.minimum(a, b)
    else:
        a, b = np.where(is_new[one], a, b), np.where(is_new[one], b, a)
    return (a.astype(np.uint64) << np.uint64(32)) | b.astype(np.uint64)


def _distinct(values: U64) -> U64:
    values = np.sort(values)
    return values[np.concatenate(([True], values[1:] != values[:-1]))] if values.size else values
