"""Throughput of the parts that stand in every result's way: the commit, and the logging of metrics."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.measure import Figure, in_turns, median

MEGABYTES = 256


def commit(repeats: int) -> list[Figure]:
    """MB/s of committing one large file, beside writing it plainly with one fsync."""
    from ops.storage import Output, Store

    data = np.random.default_rng(0).integers(0, 256, MEGABYTES << 20, dtype=np.uint8)

    with tempfile.TemporaryDirectory(prefix="satiety-bench-", dir=Path.cwd()) as folder:
        store = Store(Path(folder) / "store")
        count = iter(range(1_000_000))

        def write(output: Output) -> None:
            with output.array("data.bin") as file:
                for start in range(0, len(data), 1 << 23):
                    file.write(data[start : start + (1 << 23)])

        def committed() -> float:
            started = time.perf_counter()
            version, _ = store.slot("bench", "stage").commit(f"{next(count):032x}", {}, write)
            taken = time.perf_counter() - started
            (version.path / "data.bin").unlink()
            return taken

        def plain() -> float:
            path = Path(folder) / "plain.bin"
            started = time.perf_counter()
            with path.open("wb") as file:
                for start in range(0, len(data), 1 << 23):
                    file.write(data[start : start + (1 << 23)].data)
                file.flush()
                os.fsync(file.fileno())
            taken = time.perf_counter() - started
            path.unlink()
            return taken

        ours, bare = in_turns(repeats, committed, plain)
    ratio = median([b / o for o, b in zip(ours, bare, strict=True)])
    detail = {"commit_mb_s": round(MEGABYTES / median(ours), 1), "plain_mb_s": round(MEGABYTES / median(bare), 1)}
    return [Figure("commit throughput over a plain write and fsync", ratio, "x", detail=detail)]


def logging(repeats: int) -> list[Figure]:
    """Milliseconds of training for one metrics record, beside MLflow's own log_metrics into SQLite."""
    from mlflow import MlflowClient

    from resources.journal import Journal, Training

    record = {"loss": 1.0, "lr": 0.1, "grad_norm": 2.0}
    calls = 200
    with tempfile.TemporaryDirectory(prefix="satiety-bench-") as folder:
        client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
        run_id = client.create_run(client.create_experiment("bench")).info.run_id
        journal = Journal(Path(folder) / "journal")
        journal.open(Training("bench", "0" * 32), 0, "")
        steps = iter(range(10_000_000))

        def ours() -> float:
            started = time.perf_counter()
            for _ in range(calls):
                journal.add({"step": next(steps), "time_ms": 0, **record}, 0)
            return (time.perf_counter() - started) / calls

        def theirs() -> float:
            started = time.perf_counter()
            for _ in range(20):
                step = next(steps)
                for name, value in record.items():
                    client.log_metric(run_id, name, value, step=step)
            return (time.perf_counter() - started) / 20

        fast, slow = in_turns(repeats, ours, theirs)
    detail = {"mlflow_ms": round(median(slow) * 1e3, 2), "ratio": round(median(slow) / median(fast), 1)}
    return [Figure("logging a metrics record of three values", median(fast) * 1e3, "ms", detail=detail)]
