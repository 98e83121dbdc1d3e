"""Exact and near-duplicates of a Parquet file into another one, as a recipe does it; run in a process of its own.

`python -m benchmarks.dedup_ours TEXTS.parquet OUTPUT.parquet [PARTITIONS]` goes through the store, hashes and syncs
included, and prints its figures as JSON. The rows that were removed lie beside the output.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import polars as pl

from ops.deduplication.base import Deduplication
from ops.deduplication.exact import ExactDuplicates
from ops.deduplication.near_duplicates import NearDuplicates
from ops.stages.bands import before, covered
from ops.storage import Output, Store, Version

STEPS: list[Deduplication] = [ExactDuplicates(), NearDuplicates()]


def sign(table: pl.DataFrame, partition: str, output: Output) -> None:
    """The signatures of all steps."""
    for step in STEPS:
        step.sign(table, output)
        output.parquet(f"{step.key}-sources.parquet", step.sources(table, partition))


FINGERPRINT = "0" * 32


class Corpus:
    """Partitions in a store, added one after the other as the stages do it."""

    def __init__(self, store: Store) -> None:
        self.store, self.near = store, STEPS[1]
        self.signed: dict[str, Version] = {}
        self.bands: dict[str, Version] = {}
        self.pairs: dict[str, Version] = {}

    def versions(self, stage: str) -> dict[str, Version]:
        """What a stage has made, by partition."""
        return {"signatures": self.signed, "bands": self.bands, "pairs": self.pairs}[stage]

    def add(self, key: str, table: pl.DataFrame, fingerprint: str = FINGERPRINT) -> dict[str, float]:
        """Sign, index and pair one more partition; CPU seconds of each."""
        times = [time.process_time()]
        self.signed[key] = self.commit("signatures", key, partial(sign, table, key), fingerprint)
        return {"sign": time.process_time() - times[0], **self.compare(key, fingerprint)}

    def compare(self, key: str, fingerprint: str = FINGERPRINT) -> dict[str, float]:
        """Index and pair a partition that is signed."""
        times = [time.process_time()]
        upto = {name: version for name, version in self.signed.items() if name <= key}
        some = {name: upto[name] for name in covered(list(upto), key)}
        self.bands[key] = self.commit("bands", key, partial(self.near.index, some), fingerprint)
        times.append(time.process_time())
        behind = {name: self.bands[name] for name in before(list(upto), key)}
        self.pairs[key] = self.commit("pairs", key, partial(self.near.pair, key, upto, behind), fingerprint)
        times.append(time.process_time())
        return dict(zip(("index", "pair"), (b - a for a, b in pairwise(times)), strict=True))

    def decide(self) -> Iterator[tuple[str, pl.DataFrame, pl.DataFrame]]:
        """For each partition what goes as a repeat, and what as nearly one."""
        nobody = pl.Series("id", [], pl.String)
        exact = dict(STEPS[0].decisions(self.signed, {}, lambda partition: nobody))
        for key, found in self.near.decisions(self.signed, self.pairs, lambda partition: exact[partition]["id"]):
            yield key, exact[key], found

    def commit(self, stage: str, key: str, write: Callable[[Output], None], fingerprint: str = FINGERPRINT) -> Version:
        """What a stage makes of a partition."""
        return self.store.slot("bench", stage, key).commit(fingerprint, {}, write)[0]


def main() -> None:
    """Read, sign, pair, decide, write."""
    source, target, partitions = Path(sys.argv[1]), Path(sys.argv[2]), int((sys.argv[3:] or ["1"])[0])
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        started, cpu = time.perf_counter(), time.process_time()
        corpus = Corpus(Store(Path(folder)))
        table = pl.read_parquet(source, columns=["text"]).with_row_index("id").cast({"id": pl.String})
        rows = -(-table.height // partitions)
        times = [corpus.add(f"{part:04d}", table.slice(part * rows, rows)) for part in range(partitions)]
        size, height = int(table["text"].str.len_bytes().sum()), table.height
        del table
        decided = list(corpus.decide())
        alike = pl.concat([near for _, _, near in decided])
        gone = pl.concat([exact["id"] for _, exact, _ in decided])
        removed = pl.concat([gone, alike["id"]])
        again = pl.scan_parquet(source, low_memory=True).select("text").with_row_index("id").cast({"id": pl.String})
        again.filter(~pl.col("id").is_in(removed.implode())).sink_parquet(target, row_group_size=1 << 14)
        found = {
            "wall_s": time.perf_counter() - started,
            "cpu_s": time.process_time() - cpu,
            "bytes": size,
            "rows": height,
            "exact": gone.len(),
            "near": alike.height,
            "last": times[-1],
        }
        alike.select("id", "kept", "jaccard").write_parquet(target.with_suffix(".removed.parquet"))
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
