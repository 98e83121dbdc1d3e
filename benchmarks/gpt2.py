"""A language model of GPT-2 small's size on a GPU, through the project's own training process.

The tokens are made here: how fast a model learns does not depend on what they say. What is measured is the model FLOPs
utilisation (Chowdhery et al., 2022) of the steady state: three times the matrix products of a forward pass, attention
counted in full, times examples a second, over what the card's maker says that it can do in bfloat16.

    python -m benchmarks.gpt2 [--steps 20] [--tiny]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.measure import Figure
from ops.storage.hashing import sha256_file

GOAL = 0.45
"""Model FLOPs utilisation on a Hopper GPU."""

SMALL = {"dim": 768, "depth": 12, "heads": 12, "feed_forward": 3072}
TINY = {"dim": 64, "depth": 2, "heads": 4}


def gpt2(repeats: int, *, steps: int = 20, tiny: bool = False, **training: Any) -> list[Figure]:
    """Train some steps; the figures of each block, or nothing where there is no GPU.

    Args:
        repeats: not looked at; a run's steps are its repetitions.
        steps: updates.
        tiny: whether to try the whole way with a model that any machine can train.
        training: settings of the training beside those of the benchmark.
    """
    import torch

    if not (tiny or torch.cuda.is_available()):
        print("gpt2: this machine has no GPU of NVIDIA's, nothing is measured")
        return []
    figures = []
    for block in ("gpt2", "modern"):
        with tempfile.TemporaryDirectory() as folder:
            run = _run(Path(folder), block, steps, tiny, training)
            environment = {**os.environ, "OMP_NUM_THREADS": "4"}
            subprocess.run([sys.executable, "-m", "ops.training.worker", str(run)], check=True, env=environment)
            figures += _figures(run.parent, block, tiny)
    return figures


def _run(folder: Path, block: str, steps: int, tiny: bool, training: dict[str, Any]) -> Path:
    context, vocabulary, batch = (64, 512, 8) if tiny else (1024, 50_304, 512)
    model = {"kind": "transformer_decoder", "block": block, **(TINY if tiny else SMALL)}
    settings = {
        "steps": steps,
        "batch_size": batch,
        "micro_batch": batch // 8,
        "bucketing": False,
        "learning_rate": 0.0006,
        "log_every": 2,
        "checkpoint_every": 100_000,
        "precision": "bfloat16",
        "compile": True,
        "deterministic": False,
        **training,
    }
    return write_run(folder, model, settings, context, vocabulary, 2 * batch)


def write_run(
    folder: Path, model: dict[str, Any], training: dict[str, Any], context: int, vocabulary: int, windows: int
) -> Path:
    """A run of a language model on tokens made here; returns its file.

    Args:
        folder: where the run, its token cache and its work are.
        model: the recipe's model.
        training: the recipe's training.
        context: tokens of a window.
        vocabulary: number of tokens, at most 65,536.
        windows: training examples.
    """
    tokens = np.random.default_rng(0).integers(0, vocabulary, windows * context + 1).astype("<u2")
    cache = folder / "cache"
    cache.mkdir()
    tokens.tofile(cache / "data.bin")
    index = {
        "offset": pa.array(np.arange(windows) * context, pa.int64()),
        "length": pa.array(np.full(windows, context + 1), pa.int32()),
        "split": ["train"] * windows,
        "copy": pa.array(np.zeros(windows), pa.int32()),
    }
    table = pa.table(index)
    with pa.ipc.new_file(cache / "index.arrow", table.schema) as writer:
        writer.write_table(table)
    files = {name: sha256_file(cache / name) for name in ("data.bin", "index.arrow")}
    spec = {
        "task": {"kind": "language_model", "input": "text", "context": context},
        "model": model,
        "training": training,
        "seed": 1,
        "inputs": [{"partition": "all", "path": str(cache), "files": files}],
        "input": {"kind": "text", "vocabulary": vocabulary, "max_length": context},
        "work": str(folder / "work"),
    }
    path = folder / "work" / "run.json"
    path.parent.mkdir()
    path.write_text(json.dumps(spec))
    return path


def _figures(work: Path, block: str, tiny: bool) -> list[Figure]:
    cost = json.loads((work / "result" / "cost.json").read_text())
    description = json.loads((work / "result" / "model.json").read_text())
    lines = [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()]
    speeds = [line["examples_per_s"] for line in lines if "examples_per_s" in line]
    speed = statistics.median(speeds[len(speeds) // 3 :])  # the first steps compile
    utilisation = speed * 3 * description["flops_per_example"] / cost["peak_flops_per_s"]
    context = description["input"]["max_length"]
    print(f"gpt2 {block}: {json.dumps({'cost': cost, 'speeds': speeds, 'loss': lines[-1]})}")
    return [
        Figure(
            f"GPT-2 small, {block} block: model FLOPs utilisation",
            utilisation,
            "",
            f">= {GOAL}",
            None if tiny else utilisation >= GOAL,
        ),
        Figure(f"GPT-2 small, {block} block: thousand tokens a second", speed * context / 1000, "k"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    for figure in gpt2(1, steps=options.steps, tiny=options.tiny):
        print(figure.name, round(figure.value, 4))
