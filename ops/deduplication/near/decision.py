"""From the pairs of all partitions to the rows that go, each with the row that is kept for it.

Memory grows with the texts that are alike, not with the corpus: `PER_SET` bytes for each of their sets. Pairs are read
again and again, some at a time; rows are read partition by partition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from ops.deduplication.near.shingling import I64, U64
from ops.deduplication.near.signed import ids
from ops.deduplication.near.stars import Edges, stars
from ops.deduplication.places import NOWHERE, Names, places
from ops.errors import ConfigError
from ops.storage import Version

PER_SET = 160
"""Bytes for each set of a text that has another one alike: numbers, orders, its center, the id of a row."""

FIXED = 24 << 20
"""Bytes for what is read at a time."""

PER_EDGE = 128
_READ = 1 << 15
"""Rows or pairs that are read at a time."""

Gone = Callable[[str], pl.Series]


class Inputs(NamedTuple):
    """What the decision is made from.

    Attributes:
        key: begins the names of the files.
        signed: signatures by partition, in order.
        paired: pairs by partition.
        gone: the ids of a partition's rows that count as not there.
        memory: bytes that the decision may take.
    """

    key: str
    signed: Mapping[str, Version]
    paired: Mapping[str, Version]
    gone: Gone
    memory: int

    def edges(self) -> Iterator[U64]:
        """All pairs, (pairs, 3), some at a time."""
        for version in self.paired.values():
            found = version.blocks(f"{self.key}-edges.bin", np.uint64, 3)
            for start in range(0, len(found), _READ):
                yield found.read(start, min(len(found), start + _READ))

    def repeated(self) -> Iterator[U64]:
        """Sets that several texts of a partition have, some at a time."""
        for version in self.signed.values():
            found = version.blocks(f"{self.key}-repeated.bin", np.uint64)
            for start in range(0, len(found), _READ):
                yield found.read(start, min(len(found), start + _READ))

    def texts(self, partition: str, *, all_: bool = False) -> Iterator[tuple[I64, U64, I64]]:
        """(rows, sets, shingles) of a partition's texts that are there (or of all), some at a time."""
        version = self.signed[partition]
        found = version.blocks(f"{self.key}-texts.bin", np.uint64, 3)
        gone = pl.Series("id", [], pl.String) if all_ else self.gone(partition)
        there = np.ones(len(found), dtype=np.bool_)
        if len(gone):
            there = ~ids(version, self.key).is_in(gone.implode()).to_numpy()
        for start in range(0, len(found), _READ):
            some = found.read(start, min(len(found), start + _READ))
            rows = np.flatnonzero(there[start : start + len(some)])
            yield rows + start, some[rows, 0], some[rows, 1].astype(np.int64)


class Alike(NamedTuple):
    """Sets of texts that have another one alike, ascending.

    Attributes:
        sets: their hashes.
        counts: how many shingles they have.
        first: the first row of the corpus that is there and has the set; `NOWHERE` where none is.
        several: whether other rows have it too.
    """

    sets: U64
    counts: I64
    first: U64
    several: npt.NDArray[np.bool_]

    def find(self, sets: U64) -> tuple[npt.NDArray[np.bool_], I64]:
        """Which of some sets are among them, and where those are."""
        place = np.minimum(np.searchsorted(self.sets, sets), max(0, len(self.sets) - 1))
        here = self.sets[place] == sets if len(self.sets) else np.zeros(len(sets), dtype=np.bool_)
        return here, place[here]


def decide(inputs: Inputs) -> Iterator[tuple[str, pl.DataFrame]]:
    """For each partition (id, reason, evidence, kept, jaccard) of the rows to drop.

    Texts with equal sets are one text: its first row in the order of partitions and rows stays, if the text does.
    """
    alike = _alike(inputs)
    # The longest first; of equally long ones the order is one by content, which no partitioning changes.
    order = np.lexsort((~alike.sets, -alike.counts, alike.first == NOWHERE))
    there = int(np.count_nonzero(alike.first != NOWHERE))
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    held = inputs.memory // 4 // PER_EDGE
    found = stars(there, lambda: _numbered(inputs, alike, number, there), held)
    target = np.arange(len(order))
    goes = found.center >= 0
    target[order[:there][goes]] = order[found.center[goes]]
    similarity = np.ones(len(order))
    similarity[order[:there][goes]] = found.similarity[goes]
    del order, found
    used = np.zeros(len(target), dtype=np.bool_)
    used[target[(target != np.arange(len(target))) | alike.several]] = True
    keys = list(inputs.signed)
    wanted = np.sort(alike.first[used & (alike.first != NOWHERE)])
    names = Names(wanted, lambda partition: ids(inputs.signed[keys[partition]], inputs.key))
    for partition, key in enumerate(keys):
        yield key, _dropped(inputs, alike, target, similarity, names, partition, key)


def clusters(inputs: Inputs) -> Iterator[tuple[str, pl.DataFrame]]:
    """For each partition (id, cluster) of rows that are linked by pairs, along any chain: not to be torn apart.

    A cluster is named by the least hash of its sets, which no order of partitions changes. Rows that are gone link
    others all the same.
    """
    alike = _alike(inputs)
    label = np.arange(len(alike.sets))
    changed = True
    while changed:
        least = label.copy()
        for edges in inputs.edges():
            one, two = (np.searchsorted(alike.sets, edges[:, side]) for side in (0, 1))
            np.minimum.at(least, one, least[two])
            np.minimum.at(least, two, least[one])
        least = least[least]
        changed = not (least == label).all()
        label = least
    for partition in inputs.signed:
        rows: list[I64] = [np.zeros(0, dtype=np.int64)]
        named: list[U64] = [np.zeros(0, dtype=np.uint64)]
        for some, sets, _ in inputs.texts(partition):
            here, place = alike.find(sets)
            rows.append(some[here])
            named.append(alike.sets[label[place]])
        own = ids(inputs.signed[partition], inputs.key).gather(np.concatenate(rows))
        yield partition, pl.DataFrame({"id": own, "cluster": np.concatenate(named)})


def _alike(inputs: Inputs) -> Alike:
    sets = _different(edges[:, :2].reshape(-1) for edges in inputs.edges())
    sets = np.unique(np.concatenate((sets, _different(inputs.repeated()))))
    needed = FIXED + len(sets) * PER_SET
    if needed > inputs.memory:
        raise ConfigError(
            f"near_duplicates: memory_mb is {inputs.memory >> 20}, and {len(sets)} texts have another one alike",
            hint=f"the least for so many is memory_mb: {-(-needed // (1 << 20))}",
        )
    counts = np.zeros(len(sets), dtype=np.int64)
    first, several = np.full(len(sets), NOWHERE), np.zeros(len(sets), dtype=np.bool_)
    alike = Alike(sets, counts, first, several)
    for partition, key in enumerate(inputs.signed):
        for rows, texts, shingles in inputs.texts(key):
            here, place = alike.find(texts)
            counts[place] = shingles[here]
            new, begin, times = np.unique(place, return_index=True, return_counts=True)
            several[new] |= (times > 1) | (first[new] != NOWHERE)
            unseen = first[new] == NOWHERE
            first[new[unseen]] = places(partition, rows[here][begin[unseen]])
    return alike


def _different(values: Iterator[U64]) -> U64:
    """Each value once, ascending."""
    found, more, held = np.zeros(0, dtype=np.uint64), list[U64](), 0
    for some in values:
        more.append(np.unique(some))
        held += len(more[-1])
        if held > max(1 << 18, len(found) // 4):
            found = np.unique(np.concatenate((found, *more)))
            more, held = [], 0
    return np.unique(np.concatenate((found, *more)))


def _numbered(inputs: Inputs, alike: Alike, number: I64, there: int) -> Iterator[Edges]:
    """The pairs of texts that are there, by their numbers."""
    for edges in inputs.edges():
        one, two = (number[np.searchsorted(alike.sets, edges[:, side])] for side in (0, 1))
        fine = (one < there) & (two < there) & (one != two)
        later, earlier = np.maximum(one, two)[fine], np.minimum(one, two)[fine]
        yield later, earlier, np.ascontiguousarray(edges[fine, 2]).view(np.float64)


def _dropped(
    inputs: Inputs,
    alike: Alike,
    target: I64,
    similarity: npt.NDArray[np.float64],
    names: Names,
    partition: int,
    key: str,
) -> pl.DataFrame:
    rows: list[I64] = [np.zeros(0, dtype=np.int64)]
    kept: list[U64] = [np.zeros(0, dtype=np.uint64)]
    jaccard = [np.zeros(0)]
    for some, sets, _ in inputs.texts(key):
        here, place = alike.find(sets)
        for_it = alike.first[target[place]]
        goes = for_it != places(partition, some[here])
        rows.append(some[here][goes])
        kept.append(for_it[goes])
        jaccard.append(similarity[place[goes]])
    found = pl.DataFrame(
        {
            "id": ids(inputs.signed[key], inputs.key).gather(np.concatenate(rows)),
            "kept": names.of(np.concatenate(kept)),
            "jaccard": np.concatenate(jaccard),
        }
    )
    proof = pl.format("{} (Jaccard {})", "kept", pl.col("jaccard").round(4)).alias("evidence")
    return found.select("id", pl.lit("near_duplicate").alias("reason"), proof, "kept", "jaccard")
