"""What is kept of a partition's texts: shingle sets, and a run with sketches and bands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from ops.deduplication.near.minhash import ROW_BITS, Scheme, band_records, sketches
from ops.deduplication.near.runs import Filter, Part, Run, RunWriter
from ops.deduplication.near.shingling import I64, U64, Shingles, mixed, shingle_sets
from ops.errors import BadData
from ops.storage import Output, Version
from ops.storage.blocks import Blocks

SEGMENT_TEXTS = 1 << 14
"""Texts whose bands are put in order at a time: 5 MB for 40 bands."""


@dataclass(frozen=True)
class Signed:
    """One partition's texts that have words, as they were signed; nothing is read before it is needed.

    Attributes:
        run: their sets, sketches and bands; of texts with equal sets only the first has bands.
        shingles: the sets, each in ascending order, one after the other.

    Beside these, `<key>-repeated.bin` has the hashes of sets that several of the texts have.
    """

    run: Run
    shingles: Blocks

    @classmethod
    def open(cls, version: Version, key: str, scheme: Scheme, partition: str) -> Self:
        """Open what `sign` has written."""
        return cls(Run.open(version, key, scheme, partition), version.blocks(f"{key}-shingles.bin", np.uint64))


def ids(version: Version, key: str) -> pl.Series:
    """The ids of the texts that have words, by row."""
    return version.parquet(f"{key}.parquet")["id"]


def sign(table: pl.DataFrame, column: str, ngram: int, scheme: Scheme, output: Output, key: str) -> None:
    """Write the signatures of a partition's texts.

    Raises:
        BadData: the partition has more texts than a band record can number.
    """
    if table.height >= 1 << ROW_BITS:
        raise BadData(f"{table.height} texts in a partition", hint=f"cut the corpus so that none has {1 << ROW_BITS}")
    writer = RunWriter(output, key)
    spoken = np.zeros(table.height, dtype=np.bool_)
    with output.array(f"{key}-shingles.bin", blocks=True) as shingles, writer:
        shingles.write(np.zeros(0, dtype=np.uint64))
        known = Filter(table.height * len(scheme.bands))
        segment = _Segment(scheme, writer, known)
        seen = 0
        for found in shingle_sets(table[column], ngram):
            shingles.write(found.values)
            spoken[seen : seen + len(found.counts)] = found.counts > 0
            seen += len(found.counts)
            segment.add(found)
        segment.close()
        writer.filter(known.words)
    writer.finish([Part("", segment.rows)])
    with output.array(f"{key}-repeated.bin", blocks=True) as file:
        file.write(np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *segment.repeated])))
    output.parquet(f"{key}.parquet", table.select("id").filter(pl.Series(spoken)))


class _Seen:
    """Numbers that have come, in a few sorted arrays of which each is less than half as long as the one before."""

    def __init__(self) -> None:
        self._sorted: list[U64] = []

    def has(self, values: U64) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        found = np.zeros(len(values), dtype=np.bool_)
        for known in self._sorted:
            found |= known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
        return found

    def add(self, values: U64) -> None:
        """Take ascending numbers that have not come yet."""
        while self._sorted and 2 * len(values) > len(self._sorted[-1]):
            values = np.sort(np.concatenate((self._sorted.pop(), values)))
        if values.size:
            self._sorted.append(values)


class _Segment:
    """Collects texts and writes their bands in order, so many at a time."""

    def __init__(self, scheme: Scheme, writer: RunWriter, known: Filter) -> None:
        self._scheme, self._writer, self._known = scheme, writer, known
        self.rows, self._first, self._start = 0, 0, 0
        self.repeated: list[U64] = []
        self._seen = _Seen()
        self._sets: list[U64] = []
        self._sketches: list[np.ndarray[tuple[int, int], np.dtype[np.uint32]]] = []

    def add(self, found: Shingles) -> None:
        counts = found.counts[found.counts > 0]
        if counts.size:
            begins = np.cumsum(counts) - counts
            sets = mixed(np.add.reduceat(mixed(found.values), begins) + counts.astype(np.uint64))
            starts = (self._start + begins).astype(np.uint64)
            least = sketches(found, self._scheme)
            self._writer.texts.write(np.stack((sets, counts.astype(np.uint64), starts), axis=1))
            self._writer.sketch.write((least & np.uint32(0xFF)).astype(np.uint8))
            self._sets.append(sets)
            self._sketches.append(least)
            self._start += int(counts.sum())
            self.rows += len(counts)
            if self.rows - self._first >= SEGMENT_TEXTS:
                self.close()

    def close(self) -> None:
        if self._sets:
            first: I64
            sets, first, times = np.unique(np.concatenate(self._sets), return_index=True, return_counts=True)
            seen = self._seen.has(sets)
            self.repeated.append(sets[(times > 1) | seen])
            self._seen.add(sets[~seen])
            first = np.sort(first[~seen])
            records = band_records(np.concatenate(self._sketches)[first], first + self._first, self._scheme)
            self._known.add(records)
            self._writer.records(records)
            self._writer.end_segment()
            self._first = self.rows
            self._sets.clear()
            self._sketches.clear()
