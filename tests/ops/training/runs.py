"""Tiny runs for the tests: token caches of made-up examples, and workers in forked processes."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

RESULT = ("model.safetensors", "model.json", "history.jsonl", "valid.json")
"""The files of a result that must have the same bytes whatever happened on the way."""

SETTINGS = {"steps": 7, "batch_size": 9, "checkpoint_every": 2, "log_every": 2, "accelerator": "cpu"}
"""How the tiny runs are trained: on the CPU, where bits are compared."""


def write_cache(folder: Path, examples: list[tuple[list[int], int | None, str, int]], dtype: str) -> dict[str, Any]:
    """A partition of a token cache with (values, label, split, copy) of each example; returns its entry of run.json."""
    folder.mkdir(parents=True)
    lengths = [len(values) for values, *_ in examples]
    flat = np.array([value for values, *_ in examples for value in values], dtype=dtype)
    (folder / "data.bin").write_bytes(flat.tobytes())
    columns = {
        "offset": pa.array(np.cumsum(lengths) - lengths, pa.int64()),
        "length": pa.array(lengths, pa.int32()),
        "label": pa.array([label for _, label, _, _ in examples], pa.int32()),
        "split": [split for _, _, split, _ in examples],
        "copy": pa.array([copy for *_, copy in examples], pa.int32()),
    }
    write_arrow(pa.table(columns), folder / "index.arrow")
    write_arrow(pa.table({"id": [f"{folder.name}/{row}" for row in range(len(examples))]}), folder / "ids.arrow")
    return cache_entry(folder)


def write_arrow(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


def cache_entry(folder: Path) -> dict[str, Any]:
    files = {name: sha256(folder / name) for name in ("data.bin", "index.arrow", "ids.arrow")}
    return {"partition": folder.name, "path": str(folder), "files": files}


def image_run(folder: Path, training: dict[str, Any] | None = None, **settings: Any) -> Path:
    """A run.json of an image task: which half of 4 x 6 grey pixels is bright."""
    rng = np.random.default_rng(5)
    examples: list[tuple[list[int], int | None, str, int]] = []
    for row in range(60):
        label = int(rng.integers(2))
        pixels = rng.integers(0, 120, (4, 6))
        pixels[:, :3] += 120 * label
        pixels[:, 3:] += 120 * (1 - label)
        examples.append((pixels.ravel().tolist(), label, ("train", "train", "train", "valid", "test")[row % 5], 0))
    told = {
        "task": {"kind": "image_classification", "input": "image", "label": "label"},
        "model": {"kind": "vision_transformer", "patch": 2, "dim": 8, "depth": 1, "heads": 2, "dropout": 0.0},
        "classes": ["right", "left"],
        "inputs": [write_cache(folder / "cache" / "a", examples, "u1")],
        "input": {"kind": "image", "height": 4, "width": 6, "channels": 1},
    }
    return _written(folder, training, {**told, **settings})


def text_run(folder: Path, training: dict[str, Any] | None = None, **settings: Any) -> Path:
    """A run.json of a text task that can be learned: the class is the word that occurs most."""
    rng = np.random.default_rng(5)
    inputs = []
    for part in ("a", "b"):
        examples: list[tuple[list[int], int | None, str, int]] = []
        for row in range(40):
            label = int(rng.integers(3))
            words = rng.integers(0, 12, size=int(rng.integers(1, 9)))
            values = [label, label, *words.tolist(), label]
            examples.append((values, label, ("train", "train", "train", "valid", "test")[row % 5], 0))
        inputs.append(write_cache(folder / "cache" / part, examples, "<u2"))
    told = {
        "task": {"kind": "text_classification", "input": "text", "label": "label"},
        "model": {"kind": "transformer_encoder", "dim": 8, "depth": 1, "heads": 2, "dropout": 0.1},
        "classes": ["x", "y", "z"],
        "inputs": inputs,
        "input": {"kind": "text", "vocabulary": 12, "max_length": 12, "pad": 0},
    }
    return _written(folder, training, {**told, **settings})


def _written(folder: Path, training: dict[str, Any] | None, told: dict[str, Any]) -> Path:
    """The run.json of what is told, with how tiny runs are trained."""
    run = {
        "training": {**SETTINGS, **(training or {})},
        "seed": 3,
        "work": str(folder / "work"),
        "world_size": 1,
        "resume": True,
        **told,
    }
    path = folder / "work" / "run.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(run))
    return path


def start(run: Path, rank: int = 0, world: int = 1, port: int = 0, **environment: Any) -> int:
    """Start a worker in a forked process, which has its modules imported already; returns its process id."""
    from ops.training import loop, worker  # noqa: F401

    if world > 1:
        from ops.training.parallel import fsdp_tensor  # noqa: F401

    child = os.fork()
    if child:
        return child
    code = 99
    try:
        os.environ.update(environment)
        if world > 1:
            os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), LOCAL_RANK=str(rank))
            os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), GLOO_SOCKET_IFNAME="lo")
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        code = worker.main([str(run)])
    except BaseException:
        (run.parent / f"crash-{rank}.txt").write_text(traceback.format_exc())
    finally:
        os._exit(code)


def finish(child: int) -> int:
    """Wait for a worker; returns its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def work(run: Path, **environment: Any) -> int:
    """Run one worker to its end; returns its exit code."""
    return finish(start(run, **environment))


def work_together(run: Path, world: int = 2, **environment: Any) -> list[int]:
    """Run several workers to their end; the environment is that of the first."""
    port = free_port()
    children = [start(run, rank, world, port, **(environment if rank == 0 else {})) for rank in range(world)]
    return [finish(child) for child in children]


def hashes(run: Path) -> dict[str, str]:
    """SHA-256 of the result's files."""
    return {name: sha256(run.parent / "result" / name) for name in RESULT}


def records(run: Path) -> Iterator[dict[str, Any]]:
    """The lines of metrics."""
    yield from map(json.loads, (run.parent / "metrics.jsonl").read_text().splitlines())


def wait_for_lines(run: Path, count: int) -> None:
    """Wait until a run has written that many lines of metrics."""
    metrics, deadline = run.parent / "metrics.jsonl", time.monotonic() + 180
    while not metrics.exists() or len(metrics.read_bytes().splitlines()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def log(run: Path, rank: int = 0) -> str:
    """What a worker has logged."""
    return (run.parent / "logs" / f"rank{rank}.log").read_text()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
