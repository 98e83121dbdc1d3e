"""What is kept of a partition's texts: sketches, bands and shingle sets, in arrays that are read in place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from ops.deduplication.near.minhash import ROW_BITS, U32, Scheme, band_records, sketches
from ops.deduplication.near.shingling import I64, U64, mixed, shingle_sets
from ops.errors import BadData
from ops.storage import Output, Version

ROWS_SCHEMA: dict[str, pl.DataType] = {"id": pl.String(), "set": pl.UInt64(), "shingles": pl.UInt32()}


@dataclass(frozen=True)
class Signed:
    """One partition's texts that have words, as they were signed.

    Attributes:
        ids: their ids.
        sets: a hash of each text's shingle set; equal for texts that say the same.
        counts: how many shingles each has.
        offsets: where each text's shingles begin in `shingles`.
        shingles: the sets, each in ascending order, one after the other.
        sketch: one byte of each hash function's least value, (rows, hashes).
        bands: ascending records of bands; only the first of texts with equal sets is in them.
    """

    ids: pl.Series
    sets: U64
    counts: I64
    offsets: I64
    shingles: U64
    sketch: npt.NDArray[np.uint8]
    bands: U64

    @classmethod
    def open(cls, version: Version, key: str, scheme: Scheme) -> Signed:
        """Read what `sign` has written: the rows now, the arrays when they are needed."""
        rows = version.parquet(f"{key}.parquet")
        counts = rows["shingles"].to_numpy().astype(np.int64)
        return cls(
            ids=rows["id"],
            sets=rows["set"].to_numpy(),
            counts=counts,
            offsets=np.cumsum(counts) - counts,
            shingles=version.array(f"{key}-shingles.bin", np.uint64),
            sketch=version.array(f"{key}-sketch.bin", np.uint8, (-1, scheme.hashes)),
            bands=version.array(f"{key}-bands.bin", np.uint64),
        )


def sign(table: pl.DataFrame, column: str, ngram: int, scheme: Scheme, output: Output, key: str) -> None:
    """Write the signatures of a partition's texts.

    Raises:
        BadData: the partition has more texts than a band record can number.
    """
    if table.height >= 1 << ROW_BITS:
        raise BadData(f"{table.height} texts in a partition", hint=f"cut the corpus so that none has {1 << ROW_BITS}")
    counts: list[I64] = []
    sketch: list[U32] = []
    sums: list[U64] = []
    with output.array(f"{key}-shingles.bin") as file:
        for found in shingle_sets(table[column], ngram):
            file.write(found.values)
            counts.append(found.counts)
            sketch.append(sketches(found, scheme))
            some = found.counts[found.counts > 0]
            if some.size:
                sums.append(np.add.reduceat(mixed(found.values), np.cumsum(some) - some))
    counted = np.concatenate(counts) if counts else np.zeros(0, dtype=np.int64)
    spoken = counted > 0
    least = np.concatenate(sketch) if sketch else np.zeros((0, scheme.hashes), dtype=np.uint32)
    sets = mixed(np.concatenate(sums) + counted[spoken].astype(np.uint64)) if sums else np.zeros(0, dtype=np.uint64)
    _, first = np.unique(sets, return_index=True)
    first.sort()
    with output.array(f"{key}-sketch.bin") as file:
        file.write((least & np.uint32(0xFF)).astype(np.uint8))
    with output.array(f"{key}-bands.bin") as file:
        file.write(band_records(least[first], first, scheme))
    rows = table.select("id").filter(pl.Series(spoken))
    shingles = pl.Series("shingles", counted[spoken], dtype=pl.UInt32)
    output.parquet(f"{key}.parquet", rows.with_columns(pl.Series("set", sets, dtype=pl.UInt64), shingles))
