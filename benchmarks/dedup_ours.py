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
from functools import partial
from pathlib import Path

import polars as pl

from ops.deduplication.base import Deduplication
from ops.deduplication.exact import ExactDuplicates
from ops.deduplication.near_duplicates import NearDuplicates
from ops.storage import Output, Store, Version

STEPS: list[Deduplication] = [ExactDuplicates(), NearDuplicates()]


def sign(table: pl.DataFrame, output: Output) -> None:
    """The signatures of all steps."""
    for step in STEPS:
        step.sign(table, output)


def main() -> None:
    """Read, sign, pair, decide, write."""
    source, target, partitions = Path(sys.argv[1]), Path(sys.argv[2]), int((sys.argv[3:] or ["1"])[0])
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        started, cpu = time.perf_counter(), time.process_time()
        store, near = Store(Path(folder)), STEPS[1]
        table = pl.read_parquet(source, columns=["text"]).with_row_index("id").cast({"id": pl.String})
        rows = -(-table.height // partitions)
        signed: dict[str, Version] = {}
        pairs: dict[str, Version] = {}
        times: list[dict[str, float]] = []
        for number in range(partitions):
            key, begun = f"{number:03d}", time.process_time()
            part = table.slice(number * rows, rows)
            signed[key], _ = store.slot("bench", "signatures", key).commit("0" * 32, {}, partial(sign, part))
            then = time.process_time()
            compare = partial(near.pair, key, dict(signed))
            pairs[key], _ = store.slot("bench", "pairs", key).commit("0" * 32, {}, compare)
            times.append({"sign": then - begun, "pair": time.process_time() - then})
        gone = STEPS[0].decide(signed, pl.Series("id", [], pl.String))
        alike = near.decide(pairs, gone["id"])
        removed = pl.concat([gone["id"], alike["id"]])
        table.filter(~pl.col("id").is_in(removed.implode())).write_parquet(target)
        found = {
            "wall_s": time.perf_counter() - started,
            "cpu_s": time.process_time() - cpu,
            "bytes": int(table["text"].str.len_bytes().sum()),
            "rows": table.height,
            "exact": gone.height,
            "near": alike.height,
            "last": times[-1],
        }
        alike.select("id", "kept", "jaccard").write_parquet(target.with_suffix(".removed.parquet"))
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
