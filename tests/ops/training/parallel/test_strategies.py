"""Every strategy trains what one process trains alone: losses and whole weights, to many digits in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.ops.training.runs import records, text_run, work, work_together

AVERAGE = {"kind": "ema", "decay": 0.5, "start": 0.3}
EXACT = {"precision": "float64", "log_every": 1, "evaluate_every": 3, "clip_norm": 0.5, "clip_value": 0.1}
EXACT |= {"averaging": AVERAGE}
TEXT = {"kind": "transformer_encoder", "dim": 8, "depth": 2, "heads": 2, "dropout": 0.0}


def trained(folder: Path, world: int = 1, training: dict[str, Any] | None = None, **settings: Any) -> Path:
    """A run of a text task to its end by that many processes."""
    run = text_run(folder, {**EXACT, **(training or {})}, **{"model": TEXT, "world_size": world, **settings})
    codes = [work(run)] if world == 1 else work_together(run, world)
    assert codes == [0] * world, [path.read_text() for path in run.parent.glob("crash-*")]
    return run


def same(run: Path, other: Path, tolerance: float = 1e-6) -> None:
    """Both have the same losses, training and validation, and the same weights."""
    mine, theirs = ([{k: v for k, v in r.items() if "loss" in k} for r in records(path)] for path in (run, other))
    assert len(mine) == len(theirs) > 0
    for left, right in zip(mine, theirs, strict=True):
        assert left == pytest.approx(right, abs=tolerance, rel=0)
    weights, expected = (load_file(path.parent / "result" / "model.safetensors") for path in (run, other))
    assert weights.keys() == expected.keys()
    for name, value in weights.items():
        assert value.shape == expected[name].shape
        assert float((value - expected[name]).abs().max()) < tolerance, name


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process alone trains."""
    return trained(tmp_path_factory.mktemp("single"))


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_train_what_one_does(tmp_path: Path, single: Path, strategy: str) -> None:
    same(trained(tmp_path, 2, {"strategy": strategy}), single)
