"""A partition's texts beside those of the partitions before it: one of these is open at a time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl

from ops.deduplication.near.candidates import Pairs, agreeing, candidates
from ops.deduplication.near.minhash import least_agreement, scheme_for
from ops.deduplication.near.shingling import I64, U64
from ops.deduplication.near.signed import Signed
from ops.deduplication.near.verification import jaccard
from ops.storage import Version

_RECORD_BYTES = 256
"""Peak memory for each band record that is looked at: the record, its hash, sizes, orders, and pairs."""


def pair(
    key: str, partition: str, signed: Mapping[str, Version], threshold: float, memory: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Compare a partition with itself and the ones before.

    Returns:
        members: (id, partition, row, set, shingles) of all rows that have another row alike, each once.
        edges: (left, right, jaccard) of the sets that are at least as similar as the threshold.
    """
    scheme = scheme_for(threshold)
    least = least_agreement(threshold, scheme.hashes)
    new = Signed.open(signed[partition], key, scheme)
    members: list[pl.DataFrame] = []
    edges: list[pl.DataFrame] = []
    met, known = np.zeros(len(new.sets), dtype=np.bool_), np.sort(new.sets)
    for name, version in signed.items():
        old = new if name == partition else Signed.open(version, key, scheme)
        pairs = agreeing(candidates(new, old, threshold, memory // _RECORD_BYTES), new, old, least)
        similarity = jaccard(pairs, new, old)
        alike = similarity >= threshold
        pairs = Pairs(pairs.left[alike], pairs.right[alike])
        left, right = new.sets[pairs.left], old.sets[pairs.right]
        edges.append(pl.DataFrame({"left": left, "right": right, "jaccard": similarity[alike]}))
        met[pairs.left] = True
        if old is new:
            met[pairs.right] = True
            twice = known[1:][known[1:] == known[:-1]]
            met |= _among(new.sets, twice)
        else:
            theirs = _among(old.sets, known)
            if theirs.any():
                met |= _among(new.sets, np.sort(old.sets[theirs]))
            theirs[pairs.right] = True
            members.append(_rows(old, name, np.flatnonzero(theirs)))
    # All rows of a set, whichever of them stood for it.
    members.append(_rows(new, partition, np.flatnonzero(_among(new.sets, np.sort(new.sets[met])))))
    return pl.concat(members), pl.concat(edges).filter(pl.col("left") != pl.col("right"))


def _among(sets: U64, known: U64) -> npt.NDArray[np.bool_]:
    """Which of the sets are among known ones, which are in order."""
    if not known.size:
        return np.zeros(len(sets), dtype=np.bool_)
    places = np.minimum(np.searchsorted(known, sets), len(known) - 1)
    return np.equal(known[places], sets)


def _rows(signed: Signed, partition: str, rows: I64) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": signed.ids[rows],
            "partition": pl.Series([partition]).new_from_index(0, len(rows)),
            "row": pl.Series(rows, dtype=pl.UInt32),
            "set": pl.Series(signed.sets[rows], dtype=pl.UInt64),
            "shingles": pl.Series(signed.counts[rows], dtype=pl.UInt32),
        }
    )
