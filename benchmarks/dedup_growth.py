"""What deduplication takes when the corpus grows: its memory, and the time of one more partition.

`python -m benchmarks.dedup_growth PHASE FOLDER NUMBER` runs one phase in a process of its own and prints JSON.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.dedup_ours import STEPS, Corpus, sign
from benchmarks.docstrings import collect
from benchmarks.measure import ROOT, Figure, one_core
from ops.deduplication.near_duplicates import NearDuplicates
from ops.storage import Store

PARTITIONS = 8
"""Partitions of one copy of the corpus."""

LONG = 32_000
"""Shingles of the long text."""

EACH, TIMES = 4_000, 5
"""Texts of a partition, and how often adding one is measured."""

EARLIER = (6, 8, 32, 126, 127, 128)
"""Partitions that are there before: 126 lie in most files, and the one behind 127 puts the bands of 128 together."""


def edited(texts: pl.Series, seed: int, least: float = 0.01, most: float = 0.4) -> pl.Series:
    """The texts with some of their words in ASCII letters exchanged for others of the same length."""
    draw = np.random.default_rng(seed)
    sizes = texts.str.len_bytes().to_numpy().astype(np.int64)
    data = np.frombuffer(str(texts.str.join("")[0]).encode(), dtype=np.uint8).copy()
    letter = ((data | 32) >= 97) & ((data | 32) <= 122)
    starts = letter & ~np.concatenate(([False], letter[:-1]))
    word = np.cumsum(starts) - 1
    owner = np.searchsorted(np.cumsum(sizes), np.flatnonzero(starts), side="right")
    chosen = draw.random(len(owner)) < draw.uniform(least, most, len(sizes))[owner]
    goes = np.flatnonzero(letter)
    goes = goes[chosen[word[goes]]]
    data[goes] = draw.integers(97, 123, len(goes), dtype=np.uint8)
    ends, whole = np.cumsum(sizes).tolist(), data.tobytes()
    begins = [0, *ends[:-1]]
    return pl.Series("text", [whole[a:b].decode() for a, b in zip(begins, ends, strict=True)])


def corpus(copies: int) -> Iterator[tuple[str, pl.DataFrame]]:
    """The docstrings, and edited copies of all of them behind, partition by partition."""
    texts = pl.scan_parquet(collect()).select("text")
    rows = texts.select(pl.len()).collect().item()
    each = -(-rows // PARTITIONS)
    for copy in range(copies):
        for part in range(PARTITIONS):
            some = texts.slice(part * each, each).collect()["text"]
            some = edited(some, copy * PARTITIONS + part) if copy else some
            key = f"{copy:02d}{part:02d}"
            yield key, pl.DataFrame({"id": [f"{key}/{row}" for row in range(len(some))], "text": some})


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _imported() -> None:
    """What the phases import when they run belongs to the bare process."""
    import ops.deduplication.near.decision
    import ops.deduplication.near.pairing  # noqa: F401


def _make(folder: Path, copies: int) -> dict[str, float]:
    """Write the partitions, whose making takes more memory than anything that is measured."""
    (folder / "input").mkdir(parents=True)
    for key, table in corpus(copies):
        table.write_parquet(folder / "input" / f"{key}.parquet")
    return {}


def _read(folder: Path) -> Iterator[tuple[str, pl.DataFrame]]:
    for path in sorted((folder / "input").iterdir()):
        yield path.stem, pl.read_parquet(path)


def _sign(folder: Path, copies: int) -> dict[str, float]:
    _imported()
    bare, largest = _peak(), 0.0
    signed = Corpus(Store(folder))
    for key, table in _read(folder):
        largest = max(largest, table.estimated_size() / (1 << 20))
        signed.signed[key] = signed.commit("signatures", key, partial(sign, table, key))
    return {"bare": bare, "peak": _peak(), "rows_mb": largest}


def _rows(folder: Path, copies: int) -> dict[str, float]:
    """The same without signing: what the rows themselves take."""
    _imported()
    bare = _peak()
    texts = sum(table.height for _, table in _read(folder))
    return {"bare": bare, "peak": _peak(), "texts": texts}


def _pair(folder: Path, copies: int) -> dict[str, float]:
    _imported()
    found = _opened(Store(folder), "signatures")
    bare = _peak()
    for key in found.signed:
        found.compare(key)
    return {"bare": bare, "peak": _peak()}


def _decide(folder: Path, copies: int) -> dict[str, float]:
    _imported()
    found = _opened(Store(folder), "signatures", "pairs")
    bare, gone = _peak(), 0
    for _, exact, near in found.decide():
        gone += exact.height + near.height
    return {"bare": bare, "peak": _peak(), "gone": gone}


def _long(folder: Path, shingles: int) -> dict[str, float]:
    """A partition of short texts and one long one (or none, for 0)."""
    _imported()
    texts = [" ".join(f"w{row}x{word}" for word in range(60)) for row in range(2_000)]
    texts += [" ".join(f"l{word}" for word in range(shingles + 2))] * bool(shingles)
    table = pl.DataFrame({"id": [str(row) for row in range(len(texts))], "text": texts})
    del texts
    bare = _peak()
    found = Corpus(Store(folder))
    found.add("0", table)
    list(found.decide())
    return {"bare": bare, "peak": _peak()}


def _opened(store: Store, *stages: str) -> Corpus:
    """What is in a store, opened as the stages do it: by the current version of each partition."""
    found = Corpus(store)
    for stage in stages:
        folder = store.root / "bench" / stage
        for key in sorted(path.name for path in folder.iterdir()) if folder.is_dir() else ():
            version = store.slot("bench", stage, key).current()
            assert version is not None
            found.versions(stage)[key] = version
    return found


def _added(folder: Path, largest: int) -> dict[str, float]:
    """CPU seconds of one more partition, with what is there opened anew and hashed as by a process that starts."""
    from ops.storage import version as storage_version

    _imported()
    plain = pl.read_parquet(collect(), columns=["text"])["text"].unique(maintain_order=True)
    plain = plain.sample(fraction=1.0, shuffle=True, seed=0)
    copies = -(-(largest + 1) * EACH // len(plain))
    texts = pl.concat([plain, *(edited(plain, seed, 0.4, 0.8) for seed in range(1, copies))])
    found, index, figures = Corpus(Store(folder)), 0.0, dict[str, float]()
    for earlier in range(largest + 1):
        some = texts.slice(earlier * EACH, EACH)
        table = pl.DataFrame({"id": [f"{earlier}/{row}" for row in range(len(some))], "text": some})
        if earlier in EARLIER:
            taken = []
            for turn in range(1, TIMES + 1):
                storage_version._verified.clear()
                begun = time.process_time()
                _opened(found.store, "signatures", "bands").add(f"{earlier:04d}", table, f"{turn}" * 32)
                taken.append(time.process_time() - begun)
            figures[str(earlier)] = min(taken)
        index += found.add(f"{earlier:04d}", table)["index"]
    return {**figures, "index": index / (largest + 1)}


PHASES = {"make": _make, "sign": _sign, "rows": _rows, "pair": _pair, "decide": _decide, "long": _long, "added": _added}


def _run(phase: str, folder: Path, number: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.dedup_growth", phase, str(folder), str(number)]
    done = subprocess.run(command, env=one_core(), cwd=ROOT, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def deduplication_memory(repeats: int) -> list[Figure]:
    """Peak memory on the docstrings and on ten times as much, beside the set limit; one long text."""
    limit = next(step.memory_mb for step in STEPS if isinstance(step, NearDuplicates))
    figures = []
    with tempfile.TemporaryDirectory(prefix="satiety-bench-", dir=Path.cwd()) as place:
        for copies in (1, 10):
            folder = Path(place) / str(copies)
            _run("make", folder, copies)
            rows = _run("rows", folder, copies)
            took = {phase: _run(phase, folder, copies) for phase in ("sign", "pair", "decide")}
            over = {phase: found["peak"] - found["bare"] for phase, found in took.items()}
            over["sign"] -= rows["peak"] - rows["bare"]
            peak = max(over.values())
            detail = {**over, "texts": rows["texts"], "limit": limit, "gone": took["decide"]["gone"]}
            name = f"deduplication, {copies} x the docstrings: peak over bare"
            figures.append(Figure(name, peak, "MB", f"< {limit}", peak < limit, detail))
        long, short = (_run("long", Path(place) / f"long-{size}", size) for size in (LONG, 0))
        extra = long["peak"] - short["peak"]
    figures.append(Figure(f"one text of {LONG} shingles: extra memory", extra, "MB", "< 16", extra < 16))
    return figures


def deduplication_growth(repeats: int) -> list[Figure]:
    """CPU time of one more partition, with few and with many before it."""
    with tempfile.TemporaryDirectory(prefix="satiety-bench-", dir=Path.cwd()) as place:
        took = _run("added", Path(place), max(EARLIER))
    figures = [Figure(f"adding {EACH} texts to {earlier} partitions", took[str(earlier)], "s") for earlier in EARLIER]
    for few, many in ((8, 128), (6, 126)):
        ratio = took[str(many)] / took[str(few)]
        figures.append(Figure(f"the same, {many} partitions over {few}", ratio, "x", "<= 1.5", ratio <= 1.5))
    figures.append(Figure("putting bands together, a partition on average", took["index"], "s"))
    return figures


def main() -> None:
    """Run one phase."""
    found = PHASES[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
