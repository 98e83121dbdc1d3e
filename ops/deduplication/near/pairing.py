"""A partition's texts beside those of all partitions before it, which lie in a few runs.

Partition number n (from 1) has a run over as many partitions up to itself as the largest power of 2 that divides n. So
the runs at n, at n without its last binary digit that is 1, and so on, cover all partitions up to n (as the nodes of a
Fenwick tree: Fenwick, 1994): a new partition looks into as many files as its number has such digits, and each record is
written again as often as its number has digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from ops.deduplication.near.candidates import Texts, distinct, similar
from ops.deduplication.near.minhash import ROW_BITS, Scheme, least_agreement, scheme_for
from ops.deduplication.near.runs import HASH, ROW, Run, merge, ranges
from ops.deduplication.near.shingling import U64
from ops.deduplication.near.signed import Signed
from ops.deduplication.near.verification import edges
from ops.storage import Output, Version
from ops.storage.blocks import Blocks

BUCKET = 1 << 14
"""Members of a bucket that are looked at together; a larger one is cut into pieces of this many."""

_RECORD_BYTES = 512
"""Peak memory for each record in a bucket: hash, sizes, orders, sketch and pairs."""

_TEXT_BYTES = 64
"""Memory for each text whose sketch is held."""

_READ_BYTES = 64
"""Peak memory for each record of a range of hashes."""


def index(key: str, signed: Mapping[str, Version], threshold: float, memory: int, output: Output) -> None:
    """Write the run of the given partitions; of a single one, which has its own, only that it has.

    More texts than a record can number make several runs.
    """
    scheme = scheme_for(threshold)
    runs = [Run.open(version, key, scheme, name) for name, version in signed.items()] if len(signed) > 1 else []
    groups: list[list[Run]] = []
    texts = 0
    for run in runs:
        texts += int(run.bases[-1])
        if not groups or texts >= 1 << ROW_BITS:
            groups.append([])
            texts = int(run.bases[-1])
        groups[-1].append(run)
    for number, group in enumerate(groups):
        merge(group, output, f"{key}-{number}", memory // 2)
    output.json(f"{key}-runs.json", {"partitions": list(signed), "runs": len(groups)})


def earlier(key: str, signed: Mapping[str, Version], indexed: Mapping[str, Version], scheme: Scheme) -> Iterator[Run]:
    """The runs over all partitions before the one at hand."""
    for version in indexed.values():
        said = version.json(f"{key}-runs.json")
        for number in range(said["runs"]):
            yield Run.open(version, f"{key}-{number}", scheme)
        if not said["runs"]:
            yield from (Run.open(signed[name], key, scheme, name) for name in said["partitions"])


def pair(
    key: str,
    partition: str,
    signed: Mapping[str, Version],
    indexed: Mapping[str, Version],
    threshold: float,
    memory: int,
    output: Output,
) -> None:
    """Compare a partition with itself and the ones before; writes pairs of sets that are similar enough.

    Args:
        key: begins the names of the files.
        partition: the one at hand.
        signed: signatures of all partitions up to it.
        indexed: what `index` wrote for those whose runs cover the partitions before it.
        threshold: the least similarity.
        memory: bytes that this may take.
        output: takes `<key>-edges.bin`, rows of (left set, right set, bits of the similarity as a float).
    """
    scheme = scheme_for(threshold)
    new = Signed.open(signed[partition], key, scheme, partition)
    runs = [new.run, *earlier(key, signed, indexed, scheme)]
    looked = _Looked(new, threshold, least_agreement(threshold, scheme.hashes), memory)

    def shingles(name: str) -> Blocks:
        return new.shingles if name == partition else signed[name].blocks(f"{key}-shingles.bin", np.uint64)

    held = max(1 << 16, memory // 8 // 8 // len(runs))
    with output.array(f"{key}-edges.bin", blocks=True) as file:
        file.write(np.zeros(0, dtype=np.uint64))
        found: list[U64] = [np.zeros(0, dtype=np.uint64) for _ in runs]
        for low, high in ranges(len(new.run.bands), _READ_BYTES, memory // 4):
            mine = new.run.between(low, high)
            for place, run in enumerate(runs):
                more = looked.within(mine) if run is new.run else looked.beside(mine, run, low, high)
                found[place] = distinct(np.concatenate([found[place], *more]))
                if len(found[place]) > held:
                    for some in edges(found[place], new, run, shingles, threshold):
                        file.write(some)
                    found[place] = found[place][:0]
        for place, run in enumerate(runs):
            for some in edges(found[place], new, run, shingles, threshold):
                file.write(some)


class _Looked:
    """Finds the similar pairs among the records of a range of hashes, some whole buckets at a time."""

    def __init__(self, new: Signed, threshold: float, least: int, memory: int) -> None:
        self._new, self._threshold, self._least = new.run, threshold, least
        self._records = max(BUCKET, memory // 4 // _RECORD_BYTES)
        small = len(self._new.texts) * _TEXT_BYTES <= memory // 8
        self._all = Texts.of(self._new, np.arange(len(self._new.texts))) if small else None

    def _texts(self, records: U64) -> Texts:
        return self._all if self._all is not None else Texts.of(self._new, _rows(records))

    def within(self, mine: U64) -> Iterator[U64]:
        """Pairs of texts of the new partition."""
        hashes = mine >> HASH
        same = hashes[1:] == hashes[:-1]
        several = mine[np.concatenate((same, [False])) | np.concatenate(([False], same))] if mine.size else mine
        for some in _pieces(several, self._records):
            texts = self._texts(some)
            yield similar(some, some[:0], texts, None, self._threshold, self._least)

    def beside(self, mine: U64, run: Run, low: int, high: int) -> Iterator[U64]:
        """Pairs of a text of the new partition and one of a run."""
        theirs = run.meeting(distinct(mine >> HASH), low, high)
        if not theirs.size:
            return
        met = mine[_among(mine >> HASH, distinct(theirs >> HASH))]
        both = np.concatenate((met, theirs))
        both.sort()
        for some in _pieces(both, self._records):
            ours, others = _between(met, some[0], some[-1]), _between(theirs, some[0], some[-1])
            if ours.size and others.size:
                new, old = self._texts(ours), Texts.of(run, _rows(others))
                yield similar(ours, others, new, old, self._threshold, self._least)


def _between(records: U64, low: np.uint64, high: np.uint64) -> U64:
    return records[np.searchsorted(records, low) : np.searchsorted(records, high, side="right")]


def _rows(records: U64) -> npt.NDArray[np.int64]:
    return np.unique(records & ROW).astype(np.int64)


def _among(values: U64, known: U64) -> npt.NDArray[np.bool_]:
    """Which of the values are among known ones, which are in order and not none."""
    found: npt.NDArray[np.bool_] = known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
    return found


def _pieces(records: U64, size: int) -> Iterator[U64]:
    """Whole buckets, so many records at a time; a bucket of more than `BUCKET` counts as several."""
    if not records.size:
        return
    hashes = records >> HASH
    starts = np.flatnonzero(np.concatenate(([True], hashes[1:] != hashes[:-1])))
    inside = np.arange(len(records)) - np.repeat(starts, np.diff(starts, append=len(records)))
    cuts = np.append(np.flatnonzero(inside % BUCKET == 0), len(records))
    start = 0
    while start < len(records):
        stop = int(cuts[np.searchsorted(cuts, start + size, side="right") - 1])
        stop = stop if stop > start else int(cuts[np.searchsorted(cuts, start, side="right")])
        yield records[start:stop]
        start = stop
