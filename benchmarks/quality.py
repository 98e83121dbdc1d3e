"""The text quality features beside datatrove's filters, and a changed threshold beside making the scores."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.docstrings import collect
from benchmarks.measure import ROOT, Figure, median
from benchmarks.peers import peer

FILTERS = ("gopher", "repetition", "fineweb", "c4")
SAMPLE = 20_000


def quality(repeats: int) -> list[Figure]:
    """MB of text in a CPU-second, the ratio to datatrove on a sample, and equal decisions over all texts."""
    from ops.cleaning.quality import Quality

    texts = pl.read_parquet(collect())["text"]
    table, step = pl.DataFrame({"text": texts}), Quality()
    sample = table.sample(SAMPLE, seed=0)
    sizes = [float(part["text"].str.len_bytes().sum()) / 1e6 for part in (table, sample)]
    step.score(sample)
    speeds, ratios = [], []
    for _ in range(repeats):
        speeds.append(sizes[0] / _seconds(step, table))
        ratios.append(sum(_datatrove(sample["text"])[1].values()) / _seconds(step, sample))
    answers, seconds = _datatrove(texts)
    equal, differences = _agreement(step, table, answers)
    speed, ratio = max(speeds), median(ratios)
    detail = {"all_mb_s": speeds, "megabytes": sizes[0], "texts": len(texts)}
    peer_detail = {"datatrove_mb_s": sizes[0] / sum(seconds.values()), "datatrove_s": seconds, "all": ratios}
    return [
        Figure("quality: features of all rules, one core", speed, "MB/s", ">= 40", speed >= 40, detail),
        Figure("quality: over datatrove's four filters", ratio, "x", ">= 12", ratio >= 12, peer_detail),
        Figure("quality: decisions equal to datatrove's", equal, "", ">= 0.995", equal >= 0.995, differences),
    ]


def threshold(repeats: int) -> list[Figure]:
    """Seconds to decide anew by stored scores, beside reading the texts and making the scores."""
    from ops.cleaning.quality import GopherRules, Quality

    table = pl.read_parquet(collect()).with_row_index("id").with_columns(pl.col("id").cast(pl.String))
    step, other = Quality(), Quality(gopher=GopherRules(min_words=20))
    with tempfile.TemporaryDirectory(prefix="satiety-bench-") as folder:
        path, corpus = Path(folder) / "scores.parquet", Path(folder) / "data.parquet"
        table.write_parquet(corpus)
        made, decided = [], []
        for _ in range(repeats):
            started = time.perf_counter()
            pl.concat([table.select("id"), step.score(pl.read_parquet(corpus))], how="horizontal").write_parquet(path)
            made.append(time.perf_counter() - started)
            started = time.perf_counter()
            kept = int(other.decide(pl.read_parquet(path)).reasons.is_null().sum())
            decided.append(time.perf_counter() - started)
    detail = {"making_s": median(made), "texts": table.height, "kept": kept}
    return [
        Figure("another threshold, decided for all texts", median(decided), "s", "< 5", median(decided) < 5, detail),
        Figure("another threshold over making the scores", median(made) / median(decided), "x", detail=detail),
    ]


def _seconds(step: Any, table: pl.DataFrame) -> float:
    started = time.process_time()
    step.score(table)
    return time.process_time() - started


def _datatrove(texts: pl.Series) -> tuple[list[list[Any]], dict[str, float]]:
    """Its answers text by text, and the CPU-seconds of each filter."""
    python = peer("datatrove[processing]==0.10.0")
    with tempfile.TemporaryDirectory(prefix="satiety-bench-") as folder:
        asked, told = Path(folder) / "texts.jsonl", Path(folder) / "answers.jsonl"
        asked.write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
        program = str(ROOT / "benchmarks" / "datatrove_quality.py")
        done = subprocess.run([python, program, asked, told], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"datatrove ended with {done.returncode}\n{done.stderr}")
        lines = [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()]
    return lines[:-1], lines[-1]


def _agreement(step: Any, table: pl.DataFrame, answers: list[list[Any]]) -> tuple[float, dict[str, Any]]:
    """The share of texts on which every filter decides the same, and C4 leaves the same lines; what differs."""
    from ops.cleaning.c4_lines import C4Lines
    from ops.steps import Facts

    scores, differences = step.score(table), {}
    same = pl.repeat(True, table.height, eager=True)
    for place, name in enumerate(FILTERS):
        only = step.model_copy(update={other: None for other in FILTERS if other != name})
        ours = only.decide(scores).reasons.is_null()
        theirs = pl.Series([answer[place] is None for answer in answers])
        differences[name] = int((ours != theirs).sum())
        same &= ours == theirs
    kept = pl.Series([answer[3] is None for answer in answers])
    lines = C4Lines().apply(table, Facts("")).kept["text"]
    rewritten = pl.Series([answer[4] for answer in answers])
    differences["c4_lines"] = int((kept & (lines != rewritten)).sum())
    same &= ~kept | (lines == rewritten)
    return float(same.sum()) / table.height, {"texts that differ": differences}
