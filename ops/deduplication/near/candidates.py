"""Pairs of texts that agree on a band, with a bounded cost for a bucket of any size.

In a bucket of at most `ALL_PAIRS` members each meets every other one. In a larger one the members are put in order of
their number of shingles, and each meets its `NEIGHBOURS` next ones, which are most like it in size, the `LEADERS`
largest that are not too large to be similar, and the `CENTERS` whose sketches agree most with those of all members: of
a thousand copies of one text all meet the one that they are copies of, and 50,000 texts that have only boilerplate in
common cost 16 comparisons each, not 25,000. Each pair goes on only if its sketches agree often enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ops.deduplication.near.runs import HASH, ROW, Run
from ops.deduplication.near.shingling import I64, U64

ALL_PAIRS, NEIGHBOURS, LEADERS, CENTERS = 256, 8, 4, 4
_SIZE_BITS = 32
_AT_A_TIME = 1 << 14
"""Pairs whose sketches are compared at a time."""

Bools = npt.NDArray[np.bool_]


class Pairs(NamedTuple):
    """Rows of a new partition beside rows of a run (or of the same partition)."""

    left: I64
    right: I64


class Texts(NamedTuple):
    """Some texts: which rows they are (ascending), their sets, numbers of shingles, and sketches."""

    rows: I64
    sets: U64
    counts: I64
    sketch: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, run: Run, rows: I64) -> Texts:
        """Read some rows of a run."""
        said = run.texts.take(rows)
        return cls(rows, said[:, 0], said[:, 1].astype(np.int64), run.sketch.take(rows))


class _Members(NamedTuple):
    """The records of some whole buckets in order of bucket, falling size and set."""

    rows: I64
    """Rows in the new partition, or in the run behind them."""
    texts: I64
    """Places in `counts` and `sketch` of both sides one after the other."""
    is_new: Bools
    counts: I64
    first: I64
    """Where the bucket begins."""
    size: I64
    leader: I64
    """The first member of the bucket that is not too large to be similar."""


def similar(mine: U64, theirs: U64, new: Texts, old: Texts | None, threshold: float, least: int) -> U64:
    """Pairs (new row in the high half, other row in the low half) of some whole buckets, each pair once.

    Args:
        mine: records of the new partition.
        theirs: those of a run with the same hashes; none where the partition is compared with itself.
        new: all its texts that are in `mine`.
        old: those of the run that are in `theirs`.
        threshold: the least similarity.
        least: how many places of two sketches must agree.
    """
    if not mine.size:
        return mine[:0]
    sketch = new.sketch if old is None else np.concatenate((new.sketch, old.sketch))
    members = _members(mine, theirs, new, old, threshold)
    found: list[U64] = []
    held = 0
    for one, other in _meetings(members, sketch, threshold):
        wanted = members.is_new[one] if old is None else members.is_new[one] != members.is_new[other]
        one, other = one[wanted], other[wanted]
        agree = _agreeing(members.texts[one], members.texts[other], sketch, least)
        one, other = one[agree], other[agree]
        a, b = members.rows[one], members.rows[other]
        swap = (a < b) if old is None else ~members.is_new[one]
        a, b = np.where(swap, b, a), np.where(swap, a, b)
        found.append(a.astype(np.uint64) << np.uint64(32) | b.astype(np.uint64))
        held += len(a)
        if held > 1 << 17:
            found = [distinct(np.concatenate(found))]
            held = 0
    return distinct(np.concatenate(found)) if found else mine[:0]


def distinct(values: U64) -> U64:
    """Each value once, ascending."""
    values = np.sort(values)
    return values[np.concatenate(([True], values[1:] != values[:-1]))] if values.size else values


def _members(mine: U64, theirs: U64, new: Texts, old: Texts | None, threshold: float) -> _Members:
    records = np.concatenate((mine, theirs))
    rows, hashes = (records & ROW).astype(np.int64), records >> HASH
    is_new = np.arange(len(rows)) < len(mine)
    texts = np.searchsorted(new.rows, rows[: len(mine)])
    counts, sets = new.counts[texts], new.sets[texts]
    if old is not None:
        places = np.searchsorted(old.rows, rows[len(mine) :])
        counts, sets = np.concatenate((counts, old.counts[places])), np.concatenate((sets, old.sets[places]))
        texts = np.concatenate((texts, places + len(new.rows)))
    order = np.lexsort((sets, -counts, hashes))
    rows, texts, is_new, counts, hashes = rows[order], texts[order], is_new[order], counts[order], hashes[order]
    starts = np.concatenate(([True], hashes[1:] != hashes[:-1]))
    number = np.cumsum(starts) - 1
    first = np.flatnonzero(starts)
    size = np.diff(first, append=len(rows))
    # Ascending by bucket, then descending by size.
    place = (number << _SIZE_BITS) + ((1 << _SIZE_BITS) - 1 - counts)
    largest = np.minimum(np.floor(counts / threshold + 1e-9).astype(np.int64), (1 << _SIZE_BITS) - 1)
    leader = np.searchsorted(place, (number << _SIZE_BITS) + ((1 << _SIZE_BITS) - 1 - largest))
    return _Members(rows, texts, is_new, counts, first[number], size[number], leader)


def _meetings(members: _Members, sketch: npt.NDArray[np.uint8], threshold: float) -> Iterator[tuple[I64, I64]]:
    """Pairs of members, the one with more shingles second; some come twice."""
    index = np.arange(len(members.rows))
    small = members.size <= ALL_PAIRS
    left = index
    for distance in range(1, ALL_PAIRS):
        left = left[(left - distance >= members.leader[left]) & (small[left] | (distance <= NEIGHBOURS))]
        if not left.size:
            break
        yield left, left - distance
    large = index[~small]
    for place in range(LEADERS if large.size else 0):
        other = members.leader[large] + place
        fine = other < large - NEIGHBOURS
        yield large[fine], other[fine]
    starts = np.unique(members.first[large])
    for start in starts.tolist():
        stop = start + int(members.size[start])
        for center in _centers(sketch[members.texts[start:stop]]):
            one, other = np.arange(start, stop), np.full(stop - start, start + center)
            less, more = np.maximum(one, other), np.minimum(one, other)
            fine = (less > more) & (members.counts[less] >= threshold * members.counts[more] - 1e-9)
            yield less[fine], more[fine]


def _centers(sketch: npt.NDArray[np.uint8]) -> list[int]:
    """The members of a bucket that agree in most places with all others, in order."""
    places = sketch.astype(np.int64) + 256 * np.arange(sketch.shape[1])
    often = np.bincount(places.reshape(-1), minlength=256 * sketch.shape[1])
    found: list[int] = np.argsort(-often[places].sum(axis=1), kind="stable")[:CENTERS].tolist()
    return found


def _agreeing(one: I64, other: I64, sketch: npt.NDArray[np.uint8], least: int) -> Bools:
    """Of which pairs the sketches agree in at least so many places."""
    agree = np.zeros(len(one), dtype=np.bool_)
    for start in range(0, len(one), _AT_A_TIME):
        a, b = one[start : start + _AT_A_TIME], other[start : start + _AT_A_TIME]
        agree[start : start + _AT_A_TIME] = np.count_nonzero(sketch[a] == sketch[b], axis=1) >= least
    return agree
