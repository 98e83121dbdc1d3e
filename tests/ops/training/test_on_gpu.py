"""Training on a GPU of NVIDIA's: what it learns, its bits, its memory and what it costs. Skipped where there is none.

The tests run processes of their own, since a process that has used a GPU cannot fork others that do.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from benchmarks.gpt2 import write_run
from tests.ops.training.runs import hashes, image_run, log, records, text_run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU of NVIDIA's"),
]

LANGUAGE: dict[str, Any] = {
    "task": {"kind": "language_model", "input": "text", "context": 4},
    "model": {"kind": "transformer_decoder", "dim": 16, "depth": 2, "heads": 2, "block": "modern"},
    "classes": [],
}
EXACT = {"accelerator": "cuda", "precision": "float64", "log_every": 1, "steps": 12}
"""In double precision a GPU and a CPU differ by the order of sums alone."""

TEXTS: list[dict[str, Any]] = [
    *(
        {"kind": "transformer_encoder", "dim": 8, "depth": 2, "heads": 2, "dropout": 0.0, **more}
        for more in (
            {"block": "article", "positions": "relative"},
            {"block": "modern", "kv_heads": 1},
            {"positions": "t5", "pooling": "cls"},
            {"bigrams": 32},
        )
    ),
    {"kind": "text_cnn", "dim": 16, "filters": 32, "widths": [2, 3], "dropout": 0.0},
    {"kind": "recurrent_encoder", "dim": 8, "hidden": 8, "dropout": 0.0},
    {"kind": "recurrent_encoder", "dim": 8, "hidden": 8, "cell": "gru", "pooling": "max", "dropout": 0.0},
]
IMAGES: list[dict[str, Any]] = [
    {"kind": "vision_transformer", "patch": 2, "dim": 8, "depth": 1, "heads": 2, "dropout": 0.0, "stem": "convolution"},
    {"kind": "resnet", "widths": [6, 8]},
    {"kind": "mobilenet", "widths": [4, 6], "blocks": 1, "expansion": 2, "last": 16},
    {"kind": "compact_transformer", "dim": 16, "depth": 1, "heads": 2, "dropout": 0.0, "drop_path": 0.0},
]


def worker(run: Path, **environment: str) -> int:
    """Run a worker to its end; returns its exit code, or minus the signal that ended it."""
    command = [sys.executable, "-m", "ops.training.worker", str(run)]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, check=False).returncode


def losses(run: Path) -> list[float]:
    return [line[name] for line in records(run) for name in ("loss", "valid_loss") if name in line]


def cost(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.parent / "result" / "cost.json").read_text())
    return found


@pytest.mark.parametrize("model", [*TEXTS, *IMAGES], ids=lambda model: "-".join(map(str, model.values())))
def test_each_family_learns_the_same_as_on_a_cpu(tmp_path: Path, model: dict[str, Any]) -> None:
    make = image_run if model in IMAGES else text_run
    on_gpu = make(tmp_path / "gpu", EXACT, model=model)
    on_cpu = make(tmp_path / "cpu", EXACT | {"accelerator": "cpu"}, model=model)
    assert worker(on_gpu) == worker(on_cpu) == 0, log(on_gpu)[-2000:]
    assert losses(on_gpu) == pytest.approx(losses(on_cpu), abs=1e-6)
    found, expected = (load_file(run.parent / "result" / "model.safetensors") for run in (on_gpu, on_cpu))
    assert found.keys() == expected.keys()
    assert all(torch.allclose(found[name], expected[name], atol=1e-6) for name in expected)


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_killed_on_a_gpu_it_goes_on_to_the_same_bits(tmp_path: Path, optimizer: str, precision: str) -> None:
    """With dropout, which the GPU's generator draws, in each precision; and near to what a CPU learns."""
    settings = {"accelerator": "cuda", "optimizer": optimizer, "precision": precision, "steps": 12, "log_every": 1}
    runs = [text_run(tmp_path / str(number), settings) for number in range(2)]
    assert worker(runs[0]) == 0, log(runs[0])[-2000:]
    assert worker(runs[1], SATIETY_FAULT="kill@60") == -9
    assert worker(runs[1]) == 0
    assert "going on after step" in log(runs[1])
    assert hashes(runs[1]) == hashes(runs[0])


@pytest.mark.parametrize(("precision", "near"), [("bfloat16", 0.05), ("float16", 0.02)])
def test_mixed_precision_learns_about_the_same(tmp_path: Path, precision: str, near: float) -> None:
    settings = EXACT | {"steps": 30}
    runs = [text_run(tmp_path / name, settings | {"precision": name}, **LANGUAGE) for name in ("float64", precision)]
    assert [worker(run) for run in runs] == [0, 0], log(runs[1])[-2000:]
    exact, found = map(losses, runs)
    assert found == pytest.approx(exact, abs=near) and found != exact


def test_what_it_costs_is_counted(tmp_path: Path) -> None:
    run = text_run(tmp_path, EXACT, **LANGUAGE)
    assert worker(run) == 0
    found = cost(run)
    assert 0 < found["gpu_s"] == pytest.approx(found["wall_s"], abs=0.01)
    assert 8 * found["parameters"] * 4 < found["gpu_peak_bytes"] < 1 << 30  # weights, gradients, two moments
    assert found["flops_by_torch"] == pytest.approx(1.0, abs=0.02)
    counters = importlib.util.find_spec("pynvml") is not None
    assert ("by the counters of the GPUs (NVML)" in found["energy"]["how"]) == counters


LIMITED = """
import sys, torch
from ops.training.worker import main
whole = torch.cuda.get_device_properties(0).total_memory
torch.cuda.set_per_process_memory_fraction(int(sys.argv[2]) / whole)
raise SystemExit(main(sys.argv[1:2]))
"""
"""A worker that may take so many bytes of its GPU."""


def test_a_batch_that_does_not_fit_is_computed_in_parts(tmp_path: Path) -> None:
    model = {"kind": "transformer_decoder", "dim": 64, "depth": 1, "heads": 2}
    settings = {"accelerator": "cuda", "steps": 3, "batch_size": 48, "micro_batch": "auto", "log_every": 1}
    for name in ("plenty", "tight"):
        (tmp_path / name).mkdir()
    plenty, tight = (write_run(tmp_path / name, model, settings, 256, 4096, 64) for name in ("plenty", "tight"))
    assert worker(plenty) == 0 and "out of memory" not in log(plenty)
    needed = cost(plenty)["gpu_peak_bytes"]
    most = int(0.9 * needed)
    command = [sys.executable, "-c", LIMITED, str(tight), str(most)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0, log(tight)[-2000:]
    assert "out of memory" in log(tight)
    assert losses(tight) == pytest.approx(losses(plenty), abs=1e-3)
    assert cost(tight)["gpu_peak_bytes"] <= most
