"""Exact resume with all that a run can have: killed anywhere, by one process or two, it ends with the same bits."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.ops.training.runs import hashes, image_run, log, records, work, work_together

EVERYTHING: dict[str, Any] = {
    **{"steps": 15, "checkpoint_every": 3, "log_every": 1, "evaluate_every": 2, "patience": 3, "optimizer": "muon"},
    **{"averaging": {"kind": "ema", "decay": 0.8, "start": 0.2}, "mixing": {"kind": "cutmix", "probability": 0.7}},
    **{"precision": "bfloat16", "micro_batch": 4, "label_smoothing": 0.1, "momentum_warmup": 0.5, "clip_value": 0.5},
    **{"weight_decay_schedule": "linear", "schedule": "cosine"},
}
MODEL = {"kind": "vision_transformer", "patch": 2, "dim": 8, "depth": 1, "heads": 2, "dropout": 0.2}
KILLS = 20


def together(run: Path, world: int, **environment: Any) -> list[int]:
    return [work(run, **environment)] if world == 1 else work_together(run, world, **environment)


def everything(folder: Path, world: int) -> Path:
    return image_run(folder, EVERYTHING, model=MODEL, world_size=world)


@pytest.mark.slow
@pytest.mark.parametrize("world", [1, 2])
def test_killed_at_any_of_twenty_places_the_bits_are_the_same(tmp_path: Path, world: int) -> None:
    """Four steps are an epoch, three lie between checkpoints; files change with each line, checkpoint and result."""
    seam = tmp_path / "seam.tsv"
    whole = everything(tmp_path / "whole", world)
    assert together(whole, world, SATIETY_FAULT_LOG=str(seam)) == [0] * world
    expected, calls = hashes(whole), seam.read_text().splitlines()
    resumed = 0
    for at in sorted(random.Random(world).sample(range(2, len(calls) + 1), KILLS)):
        run = everything(tmp_path / str(at), world)
        codes = together(run, world, SATIETY_FAULT=f"kill@{at}")
        assert codes[0] == -signal.SIGKILL, at
        assert together(run, world) == [0] * world, at
        assert hashes(run) == expected, f"killed at {calls[at - 1]}"
        resumed += "going on after step" in log(run)
    assert resumed >= KILLS // 2


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_other_processes_go_on_in_the_same_order_with_the_same_loss(tmp_path: Path, before: int, after: int) -> None:
    """Without dropout, whose draws are of a process; batches and their mixing are not."""
    settings = {**EVERYTHING, "precision": "float64", "optimizer": "adamw", "momentum_warmup": 0.0, "patience": None}
    model = {**MODEL, "dropout": 0.0}
    whole, run = (image_run(tmp_path / name, settings, model=model, world_size=before) for name in ("whole", "killed"))
    assert together(whole, before) == [0] * before
    assert together(run, before, SATIETY_FAULT="kill@75")[0] == -signal.SIGKILL
    run.write_text(json.dumps({**json.loads(run.read_text()), "world_size": after}))
    assert together(run, after) == [0] * after
    assert "going on after step" in log(run)
    for mine, theirs in zip(records(run), records(whole), strict=True):
        for name in ("step", "epoch", "loss", "valid_loss", "grad_norm"):
            assert mine.get(name) == (None if name not in theirs else pytest.approx(theirs[name], abs=1e-6, rel=0))
    mine, theirs = (load_file(path.parent / "result" / "model.safetensors") for path in (run, whole))
    assert all(float((mine[name] - theirs[name]).abs().max()) < 1e-6 for name in theirs)


@pytest.mark.parametrize("name", ["average.safetensors", "best.safetensors", "optimizer.safetensors"])
def test_each_file_of_a_checkpoint_is_looked_at(tmp_path: Path, name: str) -> None:
    whole, run = everything(tmp_path / "whole", 1), everything(tmp_path / "killed", 1)
    assert work(whole) == 0
    assert work(run, SATIETY_FAULT="kill@110") == -signal.SIGKILL
    newest = max((run.parent / "checkpoints").glob("step-*"))
    data = bytearray((newest / name).read_bytes())
    data[-3] ^= 1
    (newest / name).chmod(0o644)
    (newest / name).write_bytes(data)
    assert work(run) == 0
    assert f"checkpoint {newest.name} cannot be used ({name} is damaged)" in log(run)
    assert "going on after step" in log(run) and hashes(run) == hashes(whole)
