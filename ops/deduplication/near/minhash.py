"""MinHash with bands from the lines of finite planes: few hashes, each used in several bands.

A hash function's least value over a set is the same for two sets with a chance of their Jaccard similarity (Broder,
1997). With q² hashes at the points of the affine plane of order q, a band is a line: q of them. There are q² + q lines,
each point lies on q + 1 of them, and two lines share a point at most. So two planes of order 4 give 40 bands of 4 from
32 hashes, for which disjoint bands would need 160. Two sets become candidates when they agree on a whole line: two such
planes miss 0.2% of pairs at a similarity of 0.7, 0.03% at 0.75 and 0.002% at 0.8.
"""

from __future__ import annotations

from math import comb
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ops.deduplication.near.shingling import SHINGLE_BITS, U64, Shingles, mixed

U32 = npt.NDArray[np.uint32]

ROW_BITS = 24
"""A band record is 40 bits of hash and 24 bits of row: partitions have at most 16,777,216 texts."""

SKETCH_MISS = 2e-4
"""Share of pairs at the threshold that the comparison of sketches may lose."""


class Scheme(NamedTuple):
    """Planes of one order, each with hashes of its own."""

    order: int
    planes: int

    @property
    def hashes(self) -> int:
        """Values of a sketch."""
        return self.order**2 * self.planes

    @property
    def bands(self) -> list[list[int]]:
        """For each band its hashes."""
        lines = _lines(self.order)
        return [[plane * self.order**2 + point for point in line] for plane in range(self.planes) for line in lines]


def scheme_for(threshold: float) -> Scheme:
    """The cheapest scheme that misses less than 0.3% of the pairs at the threshold (and far fewer above it)."""
    for least, scheme in ((0.7, Scheme(4, 2)), (0.6, Scheme(4, 4)), (0.5, Scheme(3, 6))):
        if threshold >= least:
            return scheme
    raise ValueError(f"no scheme for a threshold of {threshold}")


def sketches(sets: Shingles, scheme: Scheme) -> U32:
    """For each set with shingles the least values of all hash functions, an array (sets, hashes)."""
    counts = sets.counts[sets.counts > 0]
    starts = np.cumsum(counts) - counts
    found = np.empty((len(counts), scheme.hashes), dtype=np.uint32)
    if counts.size:
        product = np.empty_like(sets.values)
        shifted = sets.values << np.uint64(64 - SHINGLE_BITS)
        for place, factor in enumerate(_factors(scheme.hashes)):
            np.multiply(shifted, factor, out=product)
            found[:, place] = np.minimum.reduceat(product, starts) >> np.uint64(32)
    return found


def band_records(sketch: U32, rows: npt.NDArray[np.int64], scheme: Scheme) -> U64:
    """Ascending records of 64 bits, one for each row and band: a hash of the band's values, and the row."""
    bands = scheme.bands
    owners = rows.astype(np.uint64)
    found = np.empty((len(bands), len(rows)), dtype=np.uint64)
    values = np.ascontiguousarray(sketch.T)
    for number, band in enumerate(bands):
        total = np.full(len(rows), number + 1, dtype=np.uint64)
        for place in band:
            # A polynomial over the band's values at an odd number that looks random.
            total *= _STEP
            total += values[place]
        found[number] = (mixed(total * _STEP) >> np.uint64(ROW_BITS) << np.uint64(ROW_BITS)) | owners
    records = found.reshape(-1)
    records.sort()
    return records


def least_agreement(threshold: float, hashes: int) -> int:
    """How many hashes must agree: pairs at the threshold agree on fewer with a chance below `SKETCH_MISS`."""
    below = 0.0
    for agreeing in range(hashes + 1):
        below += comb(hashes, agreeing) * threshold**agreeing * (1 - threshold) ** (hashes - agreeing)
        if below > SKETCH_MISS:
            return agreeing
    return hashes


_STEP = np.uint64(0xD6E8FEB86659FD93)


def _factors(count: int) -> list[np.uint64]:
    """Odd numbers that look random."""
    values = mixed(np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)
    return list(values)


def _lines(order: int) -> list[list[int]]:
    """The lines of the affine plane over the field of 3, 4 or 5 elements; a point (x, y) is numbered x · order + y."""
    if order == 4:
        times = [[0, 0, 0, 0], [0, 1, 2, 3], [0, 2, 3, 1], [0, 3, 1, 2]]
        sloped = [[x * 4 + (times[m][x] ^ c) for x in range(4)] for m in range(4) for c in range(4)]
    else:
        sloped = [[x * order + (m * x + c) % order for x in range(order)] for m in range(order) for c in range(order)]
    return sloped + [[x * order + y for y in range(order)] for x in range(order)]
