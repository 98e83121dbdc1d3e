"""Near-duplicates on a planted corpus, and exact and near-duplicates of all installed docstrings, beside peers."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.docstrings import collect
from benchmarks.measure import ROOT, Figure, median, one_core
from benchmarks.peers import peer

PEERS = ("datatrove[processing]==0.10.0", "rensa==0.5.0", "datasketch==2.0.0", "pyarrow", "orjson", "xxhash<4")
PLANTED, THRESHOLD = 10_000, 0.8


def shingles(text: str) -> set[tuple[str, ...]]:
    """Word 3-grams in plain Python."""
    words = re.findall(r"[^\W_]+", text.lower())
    return {tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))} if words else set()


def jaccard(a: str, b: str) -> float:
    """Their exact similarity."""
    one, two = shingles(a), shingles(b)
    return len(one & two) / len(one | two) if one and two else 0.0


def planted() -> pl.DataFrame:
    """10,000 docstrings and, below them in the same order, a copy of each with 1 to 40% of its words exchanged."""
    texts = pl.read_parquet(collect())["text"].unique(maintain_order=True)
    texts = texts.filter((texts.str.len_bytes() == texts.str.len_chars()) & (texts.str.count_matches(r"\w+") >= 20))
    draw = random.Random(0)
    chosen = draw.sample(texts.to_list(), PLANTED)
    copies = []
    for text in chosen:
        parts = re.split(r"([A-Za-z0-9]+)", text)
        share = draw.uniform(0.01, 0.4)
        for place in range(1, len(parts), 2):
            if draw.random() < share:
                parts[place] = f"w{draw.randrange(1_000_000)}"
        copies.append("".join(parts))
    return pl.DataFrame({"id": [str(row) for row in range(2 * PLANTED)], "text": chosen + copies})


def near_duplicates(repeats: int) -> list[Figure]:
    """False removals and recall on the planted corpus."""
    with _folder() as folder:
        path = folder / "texts.parquet"
        table = planted()
        table.write_parquet(path)
        texts = table["text"].to_list()
        exact = [jaccard(texts[row], texts[row + PLANTED]) for row in range(PLANTED)]
        similar = {row for row, value in enumerate(exact) if value >= THRESHOLD}
        ours(path, folder / "ours.parquet")
        removed = pl.read_parquet(folder / "ours.removed.parquet")
        false = sum(jaccard(texts[int(a)], texts[int(b)]) < THRESHOLD for a, b, _ in removed.iter_rows())
        kept = set(pl.read_parquet(folder / "ours.parquet")["id"])
        recall = _recall(similar, kept)
        theirs = _others(path, folder, texts, exact, similar)
    detail = {"pairs_at_threshold": len(similar), "removed": removed.height, "beside": theirs}
    return [
        Figure("near-duplicates: removals below the threshold", false, "", "0", false == 0, detail),
        Figure("near-duplicates: recall at Jaccard 0.8 and above", recall, "", ">= 0.997", recall >= 0.997, detail),
    ]


def deduplication(repeats: int) -> list[Figure]:
    """Exact, near and verified, Parquet to Parquet, one core; cost of one more partition."""
    with _folder() as folder:
        path = folder / "texts.parquet"
        pl.read_parquet(collect()).with_row_index("id").cast({"id": pl.String}).write_parquet(path)
        runs = [ours(path, folder / "ours.parquet") for _ in range(max(3, repeats))]
        theirs = other("datatrove", path, folder)
        parts = {number: ours(path, folder / "ours.parquet", number) for number in (8, 64)}
    size = runs[0]["bytes"] / 1e6
    cpu = median([run["cpu_s"] for run in runs])
    peak = max(run["peak_mb"] for run in runs)
    ratio = theirs["cpu_s"] / cpu
    detail = {"run": runs[0], "megabytes": size, "datatrove_mb_s": size / theirs["cpu_s"], "cpu_s": cpu}
    found = [
        Figure("exact, near, verified, one core", size / cpu, "MB/s", ">= 15", size / cpu >= 15, detail),
        Figure("the same over datatrove", ratio, "x", ">= 8", ratio >= 8),
        Figure("peak memory, imports included", peak, "MB", "< 350", peak < 350),
    ]
    for number, run in parts.items():
        last = run["last"]
        seconds, share = last["sign"] + last["pair"], size / number
        found.append(Figure(f"adding 1 of {number} partitions, a MB of it", seconds / share, "s/MB", detail=last))
    return found


def ours(source: Path, target: Path, partitions: int = 1) -> dict[str, Any]:
    """This project's figures."""
    command = [sys.executable, "-m", "benchmarks.dedup_ours", str(source), str(target), str(partitions)]
    done = subprocess.run(command, env=one_core(), cwd=ROOT, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def other(name: str, source: Path, folder: Path) -> dict[str, Any]:
    """A peer's figures."""
    place = folder / name
    shutil.rmtree(place, ignore_errors=True)
    script = Path(__file__).with_name("dedup_peers.py")
    command = [str(peer(*PEERS)), str(script), name, str(source), str(place)]
    done = subprocess.run(command, env=one_core(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads((place / "found.json").read_text())
    return found


def _others(
    path: Path, folder: Path, texts: list[str], exact: list[float], similar: set[int]
) -> dict[str, dict[str, float]]:
    """Recall of the peers, and how many of the planted pairs below the threshold they take for duplicates."""
    found = {}
    for name in ("datatrove", "rensa", "datasketch"):
        answer = other(name, path, folder)
        if "kept" in answer:
            kept = set(answer["kept"])
            taken = {row for row in range(PLANTED) if not {str(row), str(row + PLANTED)} <= kept}
        else:
            taken = {low for high, low in answer["pairs"] if high == low + PLANTED}
        false = sum(1 for row in taken if exact[row] < THRESHOLD)
        found[name] = {"recall": len(taken & similar) / len(similar), "false": false, "cpu_s": answer["cpu_s"]}
    return found


def _recall(similar: set[int], kept: set[str]) -> float:
    return sum(1 for row in similar if not {str(row), str(row + PLANTED)} <= kept) / len(similar)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="satiety-bench-", dir=Path.cwd()) as folder:
        yield Path(folder)
