"""Whether every way of sharing the work trains what one process trains: 20 losses and the weights, in float64."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.measure import Figure
from ops.storage.hashing import sha256_file

STEPS = 20
MODEL = {"kind": "transformer_encoder", "dim": 16, "depth": 2, "heads": 4, "dropout": 0.0}
T5 = {"model": {**MODEL, "positions": "t5", "kv_heads": 1, "projections": "separate"}}
TIED = {
    "task": {"kind": "language_model", "input": "text", "context": 8},
    "model": {**MODEL, "kind": "transformer_decoder", "block": "gpt2"},
    "classes": [],
}
WAYS: dict[str, tuple[int, dict[str, Any]]] = {
    "accumulation": (1, {"micro_batch": 3}),
    "ddp(2)": (2, {"strategy": "ddp"}),
    "zero1(2)": (2, {"strategy": "zero1"}),
    "fsdp(2)": (2, {"strategy": "fsdp"}),
    "tensor(2)": (2, {"strategy": "tensor"}),
    "pipeline(2)": (2, {"strategy": "pipeline"}),
    "fsdp x tensor(4)": (4, {"strategy": "fsdp_tensor"}),
}
"""Processes and settings of each."""
OTHERS: dict[str, tuple[int, dict[str, Any], dict[str, Any]]] = {
    "tensor(2), T5's bias and one head of keys": (2, {"strategy": "tensor"}, T5),
    "fsdp x tensor(4), T5's bias and one head of keys": (4, {"strategy": "fsdp_tensor"}, T5),
    "pipeline(2), a tied head": (2, {"strategy": "pipeline"}, TIED),
}
"""Processes, settings, and what else the run says: weights that processes share in other ways than matrices."""


def parallel(repeats: int) -> list[Figure]:
    """Largest difference of a loss, and of a weight, from what one process trains; the bar is 1e-6.

    Texts of two to twelve words with padding, in batches of 10 (the last one of an epoch has fewer), two blocks of
    width 16, AdamW, clipping. Nothing is timed, so that once is enough however many `repeats` are asked for.
    """
    figures, plain = [], {}
    with tempfile.TemporaryDirectory(prefix="satiety-bench-") as folder:
        entry = _cache(Path(folder) / "cache")
        ways = {name: (*way, dict[str, Any]()) for name, way in WAYS.items()} | OTHERS
        for number, (name, (world, settings, more)) in enumerate(ways.items()):
            if (told := json.dumps(more)) not in plain:
                plain[told] = _train(Path(folder) / f"single-{number}", entry, 1, {}, more)
            losses, weights = plain[told]
            found, own = _train(Path(folder) / str(number), entry, world, settings, more)
            apart = float(np.abs(found - losses).max())
            weight = max(float(np.abs(own[key] - value).max()) for key, value in weights.items())
            worst, detail = max(apart, weight), {"weights": weight}
            detail |= {"processes": world, "steps": len(found), "last_loss": float(found[-1])}
            figures.append(
                Figure(
                    f"{name} and one process: largest difference of a loss", apart, "", "<= 1e-6", worst <= 1e-6, detail
                )
            )
    return figures


def _train(
    work: Path, entry: dict[str, Any], world: int, settings: dict[str, Any], more: dict[str, Any]
) -> tuple[Any, dict[str, Any]]:
    """The loss of each step, and the weights in the end."""
    from safetensors.numpy import load_file

    work.mkdir()
    plain = {"steps": STEPS, "batch_size": 10, "log_every": 1, "select": "last", "precision": "float64"}
    run = {
        "task": {"kind": "text_classification", "input": "text", "label": "label"},
        "model": MODEL,
        "training": {**plain, "accelerator": "cpu", **settings},
        "seed": 3,
        "classes": ["x", "y", "z"],
        "inputs": [entry],
        "input": {"kind": "text", "vocabulary": 12, "max_length": 12, "pad": 0},
        "work": str(work),
        "world_size": world,
        **more,
    }
    (work / "run.json").write_text(json.dumps(run))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ranks = []
    for rank in range(world):
        told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        more = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
        env = {**os.environ, **more, **{key: str(value) for key, value in told.items()}}
        program = [sys.executable, "-m", "ops.training.worker", str(work / "run.json")]
        ranks.append(subprocess.Popen(program, env=env, stderr=subprocess.DEVNULL))
    codes = [rank.wait() for rank in ranks]
    if any(codes):
        raise RuntimeError(f"{work.name}: the processes ended with {codes}; see {work}/logs")
    lines = [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()]
    losses = np.array([line["loss"] for line in lines if "loss" in line])
    return losses, load_file(work / "result" / "model.safetensors")


def _cache(folder: Path) -> dict[str, Any]:
    """Texts whose class is their most frequent word."""
    folder.mkdir()
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, 96)
    texts = [[label, *rng.integers(0, 12, int(rng.integers(1, 10))).tolist(), label] for label in labels.tolist()]
    lengths = [len(text) for text in texts]
    np.array([word for text in texts for word in text], "<u2").tofile(folder / "data.bin")
    columns = {
        "offset": pa.array(np.cumsum(lengths) - lengths, pa.int64()),
        "length": pa.array(lengths, pa.int32()),
        "label": pa.array(labels, pa.int32()),
        "split": [("train", "train", "train", "valid", "test")[row % 5] for row in range(len(texts))],
        "copy": pa.array([0] * len(texts), pa.int32()),
    }
    table = pa.table(columns)
    with pa.ipc.new_file(folder / "index.arrow", table.schema) as writer:
        writer.write_table(table)
    files = {name: sha256_file(folder / name) for name in ("data.bin", "index.arrow")}
    return {"partition": "all", "path": str(folder), "files": files}
