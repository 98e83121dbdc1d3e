"""Band records in order, on disk, in which a few hashes are looked up without reading the rest.

A run covers the texts of one partition or of several one after the other, numbered from 0. Its files:

    -bands.bin    records (40 bits of hash, 24 bits of row), ascending within each segment; a segment fills whole blocks
    -heads.bin    the first record of each block
    -filter.bin   which hashes may be there: words of 64 bits by the hash's first bits, three bits of a word for each
    -texts.bin    (rows, 3): a hash of the row's shingle set, its shingles, where they begin in the partition's file
    -sketch.bin   (rows, hashes): one byte of each hash function's least value

All but the heads are read block by block (`ops/storage/blocks.py`), each block checked when it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ops.deduplication.near.minhash import ROW_BITS, Scheme
from ops.deduplication.near.shingling import I64, U64
from ops.storage import Output, Version
from ops.storage.blocks import Blocks, expanded
from ops.storage.output import ArrayWriter

HASH_BITS = 64 - ROW_BITS
HASH, ROW = np.uint64(ROW_BITS), np.uint64((1 << ROW_BITS) - 1)
BLOCK = 2048
"""Bytes of a block of bands: most blocks are read for one hash, many of them for one that is not there."""

PER_BLOCK = BLOCK // 8
NONE = np.uint64(2**64 - 1)
"""Fills the last block of a segment; a record that looks like this is left out (one in 2**40 hashes)."""

FILTER_BITS = 8
"""Bits of the filter for each record at least: 1 to 5% of hashes that are not there pass it."""

BUCKET_BLOCKS = 32
"""Blocks of a run that are read for one hash at most: 8,192 records, so that no bucket is too large for the memory."""

AT_ONCE = 4096
"""Blocks that are read at a time for hashes that are looked up: 8 MB."""

_AT_A_TIME = 1 << 14
"""Records that go into a filter at a time: they stay in the processor's cache."""

_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Part:
    """A partition in a run: its key and how many texts it has."""

    partition: str
    texts: int


@dataclass(frozen=True)
class Run:
    """One run, open for reading.

    Attributes:
        parts: the partitions that it covers, in the order of its rows.
        segments: for each sorted piece its first block, and one past its last.
    """

    parts: tuple[Part, ...]
    segments: tuple[tuple[int, int], ...]
    bands: Blocks
    heads: U64
    filter: Blocks
    texts: Blocks
    sketch: Blocks

    @property
    def bases(self) -> I64:
        """The first row of each part, and one past the last row."""
        return np.cumsum([0, *(part.texts for part in self.parts)])

    @classmethod
    def open(cls, version: Version, prefix: str, scheme: Scheme, partition: str | None = None) -> Self:
        """Open what a `RunWriter` has written; `partition` names the one that the run is of, where it does not know."""
        said = version.json(f"{prefix}-run.json")
        ends = np.cumsum([0, *said["segments"]]).tolist()
        return cls(
            parts=tuple(Part(partition or str(name), int(texts)) for name, texts in said["parts"]),
            segments=tuple(pairwise(ends)),
            bands=version.blocks(f"{prefix}-bands.bin", np.uint64),
            heads=version.array(f"{prefix}-heads.bin", np.uint64),
            filter=version.blocks(f"{prefix}-filter.bin", np.uint64),
            texts=version.blocks(f"{prefix}-texts.bin", np.uint64, 3),
            sketch=version.blocks(f"{prefix}-sketch.bin", np.uint8, scheme.hashes),
        )

    def between(self, low: int, high: int) -> U64:
        """All records whose hash is at least `low` and below `high`, ascending."""
        found = [np.zeros(0, dtype=np.uint64)]
        for first, last in self.segments:
            heads = self.heads[first:last]
            start = max(0, int(np.searchsorted(heads, np.uint64(low) << HASH)) - 1)
            stop = int(np.searchsorted(heads, _end(high)))
            records = self.bands.blocks(np.arange(first + start, first + stop))
            records = records[np.searchsorted(records, np.uint64(low) << HASH) : np.searchsorted(records, _end(high))]
            found.append(records[records != NONE])
        records = np.concatenate(found)
        if len(found) > 2:
            records.sort(kind="stable")  # which merges pieces that are in order
        return records

    def meeting(self, hashes: U64, low: int, high: int) -> U64:
        """The records of some hashes, which are ascending and different, at least `low` and below `high`; ascending."""
        hashes = hashes[self._may_have(hashes, low, high)]
        found = [np.zeros(0, dtype=np.uint64)]
        for first, last in self.segments:
            heads = self.heads[first:last]
            start = np.maximum(np.searchsorted(heads, hashes << HASH) - 1, 0)
            # The largest hash there is has no next one.
            stop = np.searchsorted(heads, hashes << HASH | ROW, side="right")
            size = np.minimum(stop - start, BUCKET_BLOCKS)
            cuts = np.flatnonzero(np.diff(np.cumsum(size) // AT_ONCE)) + 1
            for some in np.split(np.arange(len(hashes)), cuts):
                found.append(self._of(hashes[some], first, start[some], size[some]))
        records = np.concatenate(found)
        if len(found) > 2:
            records.sort(kind="stable")  # which merges pieces that are in order
        return records

    def _of(self, hashes: U64, first: int, start: I64, size: I64) -> U64:
        """The records of hashes that lie in `size` blocks from `start` on of the segment that begins at `first`."""
        records = self.bands.blocks(first + np.unique(expanded(start, size)))
        begin = np.searchsorted(records, hashes << HASH)
        found = records[expanded(begin, np.searchsorted(records, hashes << HASH | ROW, side="right") - begin)]
        kept: U64 = found[found != NONE]
        return kept

    def _may_have(self, hashes: U64, low: int, high: int) -> npt.NDArray[np.bool_]:
        shift = HASH_BITS - (len(self.filter).bit_length() - 1)
        begin = low >> shift
        words = self.filter.read(begin, min(len(self.filter), -(-high >> shift) + 1))
        wanted = _bits(hashes)
        found: npt.NDArray[np.bool_] = words[(hashes >> np.uint64(shift)).astype(np.int64) - begin] & wanted == wanted
        return found


def _end(high: int) -> np.uint64:
    return NONE if high >= 1 << HASH_BITS else np.uint64(high) << HASH


def _bits(hashes: U64) -> U64:
    """The three bits of a word that a hash sets (or fewer, where some are the same)."""
    spread = hashes * _SPREAD
    one = np.uint64(1)
    found = one << (spread >> np.uint64(58))
    for shift in (46, 52):
        found |= one << (spread >> np.uint64(shift) & np.uint64(63))
    return found


class Filter:
    """What will be the filter of a run, or that of a range of its hashes."""

    def __init__(self, records: int, low: int = 0, high: int = 1 << HASH_BITS) -> None:
        self._shift = HASH_BITS - (words_for(records).bit_length() - 1)
        self._begin = low >> self._shift
        self.words = np.zeros((high >> self._shift) - self._begin, dtype=np.uint64)

    def add(self, records: U64) -> None:
        """Take records, which are ascending."""
        for start in range(0, len(records), _AT_A_TIME):
            hashes = records[start : start + _AT_A_TIME] >> HASH
            word = (hashes >> np.uint64(self._shift)).astype(np.int64) - self._begin
            first = np.flatnonzero(np.diff(word, prepend=-1))
            self.words[word[first]] |= np.bitwise_or.reduceat(_bits(hashes), first)


def words_for(records: int) -> int:
    """Words of a filter for so many records: a power of 2."""
    return 1 << max(0, (records * FILTER_BITS - 1) // 64).bit_length()


class RunWriter:
    """Writes the files of a run within a `with` block."""

    def __init__(self, output: Output, prefix: str) -> None:
        self._output, self._prefix = output, prefix
        self._files = ExitStack()
        self._heads: list[U64] = []
        self._blocks = 0
        self._inside = 0
        self._segments: list[int] = []

    def __enter__(self) -> Self:
        self.texts, self.sketch, self._bands, self._filter = (
            self._files.enter_context(self._output.array(f"{self._prefix}-{name}.bin", blocks=size))
            for name, size in (("texts", True), ("sketch", True), ("bands", BLOCK), ("filter", True))
        )
        self.texts.write(np.zeros(0, dtype=np.uint64))
        self.sketch.write(np.zeros(0, dtype=np.uint8))
        self._bands.write(np.zeros(0, dtype=np.uint64))
        return self

    def __exit__(self, *failure: Any) -> None:
        self._files.__exit__(*failure)

    def records(self, records: U64) -> None:
        """Append to the segment at hand."""
        if records.size:
            self._bands.write(records)
            self._heads.append(records[-self._inside % PER_BLOCK :: PER_BLOCK].copy())
            self._inside += len(records)

    def end_segment(self) -> None:
        """What comes now begins from the smallest hash again."""
        fill = -self._inside % PER_BLOCK
        self._bands.write(np.full(fill, NONE))
        self._segments.append((self._inside + fill) // PER_BLOCK)
        self._inside = 0

    def filter(self, words: U64) -> None:
        """Append words of the filter."""
        self._filter.write(words)

    def finish(self, parts: Sequence[Part]) -> None:
        """Write what is small; to be called behind the `with` block."""
        with self._output.array(f"{self._prefix}-heads.bin") as file:
            file.write(np.concatenate([np.zeros(0, dtype=np.uint64), *self._heads]))
        said = {"segments": self._segments, "parts": [[part.partition, part.texts] for part in parts]}
        self._output.json(f"{self._prefix}-run.json", said)


def merge(runs: Sequence[Run], output: Output, prefix: str, memory: int) -> None:
    """Write several runs as one with a single segment, some hashes at a time.

    Args:
        runs: in the order of the rows that they get.
        output: takes the files.
        prefix: their names begin with it.
        memory: bytes that this may take.
    """
    bases = np.cumsum([0, *(run.bases[-1] for run in runs)])
    total = sum(len(run.bands) for run in runs)
    with RunWriter(output, prefix) as writer:
        for run in runs:
            _copy(run.texts, writer.texts, memory)
            _copy(run.sketch, writer.sketch, memory)
        for low, high in ranges(total, 32, memory):
            some = [run.between(low, high) + np.uint64(base) for run, base in zip(runs, bases, strict=False)]
            records = np.concatenate(some)
            records.sort(kind="stable")
            writer.records(records)
            piece = Filter(total, low, high)
            piece.add(records)
            writer.filter(piece.words)
        writer.end_segment()
    writer.finish([part for run in runs for part in run.parts])


def ranges(records: int, each: int, memory: int) -> Iterator[tuple[int, int]]:
    """Ranges of hashes (from, below) with so few of the records that each of them may take `each` bytes.

    They are a power of 2, at most 65,536, so that each begins with a word of any filter that has more words than that.
    """
    number = 1 << min(16, max(0, -(-records * each // max(1, memory)) - 1).bit_length())
    number = min(number, words_for(records))
    step = (1 << HASH_BITS) // number
    for place in range(number):
        yield place * step, (place + 1) * step


def _copy(source: Blocks, target: ArrayWriter, memory: int) -> None:
    rows = max(1, min(memory, 1 << 22) // 64)
    for start in range(0, len(source), rows):
        target.write(source.read(start, min(len(source), start + rows)))
