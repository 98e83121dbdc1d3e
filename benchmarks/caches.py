"""Tokenising to the cache, and reading batches from it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import Figure, in_turns, median
from benchmarks.peers import peer

PACKAGES = ["torch", "numpy", "scipy", "scikit-learn", "pandas", "sympy", "polars", "dagster", "mlflow"]
CHUNK = 8192
MEGABYTES, LENGTH, BATCH = 512, 1024, 64
MANY = 100_000_000


def tokenising(repeats: int) -> list[Figure]:
    """MB of text tokenised in a CPU-second, from texts to the written cache, beside the library alone and datatrove."""
    import tokenizers

    from ops.tokenization.bpe import Bpe

    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one core for each side
    texts = docstrings()
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    bpe = Bpe(vocabulary=16_384, max_length=8192)
    model = bpe.train(texts)
    chunks = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
    with tempfile.TemporaryDirectory(prefix="satiety-bench-") as name:
        folder = Path(name)
        (folder / "tokenizer.json").write_text(model, encoding="utf-8")
        (folder / "texts.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")

        def ours() -> float:
            encoder, started = bpe.encoder(model), time.process_time()
            with (folder / "data.bin").open("wb") as file:
                for chunk in chunks:
                    encoder.encode(chunk)[0].tofile(file)
            return time.process_time() - started

        library = tokenizers.Tokenizer.from_str(model)
        library.encode_special_tokens = True

        def alone() -> float:
            started = time.process_time()
            for chunk in chunks:
                library.encode_batch_fast(chunk)
            return time.process_time() - started

        datatrove = partial(_datatrove, peer("datatrove[processing]", "tokenizers"), folder)
        taken = [median(side) for side in in_turns(repeats, ours, alone, datatrove)]
        _same_ids(folder, library, chunks)
    rates = [round(megabytes / seconds, 2) for seconds in taken]
    detail = {"text_mb": round(megabytes, 1), **dict(zip(("ours", "library", "datatrove"), rates, strict=True))}
    alone_over, datatrove_over = taken[1] / taken[0], taken[2] / taken[0]
    return [
        Figure("tokenising over the library alone, same ids", alone_over, "x", ">= 0.95", alone_over >= 0.95, detail),
        Figure("tokenising over datatrove, same ids", datatrove_over, "x", ">= 1.15", datatrove_over >= 1.15),
    ]


def docstrings() -> list[str]:
    """Docstrings of large packages that are installed."""
    from ops.sources.installed_docstrings import InstalledDocstrings

    source = InstalledDocstrings(packages=PACKAGES)
    return [text for batch in source.read(None) for text in batch.table["text"]]


def _datatrove(python: Path, folder: Path) -> float:
    command = [str(python), str(Path(__file__).with_name("datatrove_tokens.py"))]
    files = [str(folder / "texts.jsonl"), str(folder / "tokenizer.json"), str(folder / "datatrove")]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout.split()[-1])


def _same_ids(folder: Path, library: Any, chunks: list[list[str]]) -> None:
    expected = [e.ids for chunk in chunks for e in library.encode_batch_fast(chunk)]
    flat = np.fromiter((token for row in expected for token in row), "<u2")
    (theirs,) = (folder / "datatrove").glob("*.ds")
    for path in (folder / "data.bin", theirs):
        if not np.array_equal(np.fromfile(path, "<u2"), flat):
            raise SystemExit(f"{path.name} has other tokens than the library")


def loader(repeats: int) -> list[Figure]:
    """GB of batches read from a memory map in a second of one core, and what a resumed run waits for its order."""
    from ops.training.data import Examples
    from ops.training.order import Order

    count = (MEGABYTES << 20) // (2 * LENGTH)
    with tempfile.TemporaryDirectory(prefix="satiety-bench-") as name:
        path = Path(name) / "data.bin"
        np.random.default_rng(0).integers(0, 1 << 16, count * LENGTH, dtype=np.uint16).tofile(path)
        array = np.asarray(np.memmap(path, "<u2", mode="r"))
        zeros, lengths = np.zeros(count, np.int64), np.full(count, LENGTH)
        examples = Examples((array,), zeros, np.arange(count) * LENGTH, lengths, zeros)
        order = Order(lengths, BATCH, 0)
        steps = [order.rows(step) for step in range(order.steps_per_epoch)]
        table = array.reshape(count, LENGTH)
        gigabytes = sum(map(len, steps)) * LENGTH * 2 / 1e9

        def ours() -> float:
            started = time.process_time()
            for step in range(order.steps_per_epoch):
                examples.values(order.rows(step))
            return time.process_time() - started

        def plain() -> float:
            started = time.process_time()
            for rows in steps:
                np.take(table, rows, axis=0)
            return time.process_time() - started

        read, bare = (median(side) for side in in_turns(repeats, ours, plain))
    waited = median([_resumed(seed) for seed in range(repeats)])
    detail = {"np_take_gb_per_s": round(gigabytes / bare, 2), "batch": BATCH, "tokens": LENGTH}
    rate = gigabytes / read
    return [
        Figure("batches from a memory map, one core", rate, "GB/s", ">= 1", rate >= 1.0, detail),
        Figure("batches from a memory map over np.take of known rows", bare / read, "x"),
        Figure("order of a resumed run, 100 million examples", waited, "s", "< 1", waited < 1.0),
    ]


def _resumed(seed: int) -> float:
    """Seconds until the rows of a step in the middle of an epoch are known."""
    from ops.training.order import Order

    lengths: np.ndarray[Any, np.dtype[np.int64]] = np.broadcast_to(np.int64(LENGTH), MANY)  # takes no memory
    started = time.perf_counter()
    Order(lengths, BATCH, seed, bucketing=True).rows(MANY // BATCH // 2)
    return time.perf_counter() - started
