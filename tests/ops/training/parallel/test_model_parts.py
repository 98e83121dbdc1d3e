"""Whole runs in which processes share more than matrices: tables of distances, keys of several heads, tied heads."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.ops.training.parallel.test_strategies import EXACT, TEXT, go_on, same, trained
from tests.ops.training.runs import hashes, log, text_run, work_together

DECODER = {"kind": "transformer_decoder", "dim": 8, "depth": 3, "heads": 2, "block": "gpt2", "dropout": 0.0}
TIED = {"task": {"kind": "language_model", "input": "text", "context": 6}, "classes": [], "model": DECODER}
"""GPT-2's head is its embedding's matrix."""
T5 = {"model": {**TEXT, "heads": 4, "positions": "t5"}}
ODD = {"activation": "swiglu", "feed_forward": 21}
ONE_KEY = {"model": {**T5["model"], "kv_heads": 1, "projections": "separate", **ODD}}
"""Multi-query attention: every head of queries looks at the same keys and values. And a width that does not divide."""

GPIPE = {"strategy": "pipeline", "parallel": {"schedule": "gpipe", "microbatches": 2}}
WAYS: dict[str, tuple[int, dict[str, Any], dict[str, Any]]] = {
    "tensor and t5": (2, {"strategy": "tensor"}, T5),
    "tensor and one key": (2, {"strategy": "tensor", "optimizer": "muon"}, ONE_KEY),
    "fsdp_tensor and t5": (4, {"strategy": "fsdp_tensor"}, ONE_KEY),
    "1f1b and tied": (2, {"strategy": "pipeline"}, TIED),
    "gpipe and tied": (3, GPIPE, TIED),
}
FAST = ("tensor and t5", "1f1b and tied")
STEPS = {"steps": 20}


def marked(names: list[str]) -> list[Any]:
    return [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("way", marked(list(WAYS)))
def test_they_train_what_one_does(tmp_path: Path, way: str) -> None:
    """Twenty steps with clipping by value and norm and an average of the weights."""
    world, training, settings = WAYS[way]
    alone = trained(tmp_path / "alone", 1, {**STEPS, "optimizer": training.get("optimizer", "adamw")}, **settings)
    same(trained(tmp_path / "all", world, {**STEPS, **training}, **settings), alone)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["tensor and t5", "gpipe and tied"])
def test_killed_they_end_with_the_same_bits(tmp_path: Path, way: str) -> None:
    world, training, settings = WAYS[way]
    settings = {**settings, "model": {**settings["model"], "dropout": 0.2}}
    whole = trained(tmp_path / "whole", world, training, **settings)
    killed = text_run(tmp_path / "killed", {**EXACT, **training}, world_size=world, **settings)
    assert work_together(killed, world, SATIETY_FAULT="kill@70")[0] == -signal.SIGKILL
    assert work_together(killed, world) == [0] * world
    assert "going on after step" in log(killed)
    assert hashes(killed) == hashes(whole)


BY_HEADS = ((2, 1, "ddp"), (4, 4, "fsdp_tensor"))
BY_STAGES = ((2, 1, "ddp"), (4, 3, "pipeline"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("way", "ways"), [("tensor and one key", BY_HEADS), ("1f1b and tied", BY_STAGES)], ids=["by heads", "by stages"]
)
def test_they_go_on_with_other_numbers_of_processes(tmp_path: Path, way: str, ways: Any) -> None:
    """Each from the checkpoint of the one before, as if one process had done it all."""
    world, training, settings = WAYS[way]
    often = {**training, "checkpoint_every": 1, "keep_checkpoints": 9}
    run = trained(tmp_path / "all", world, often, **settings)
    for after, processes, strategy in ways:
        go_on(run, after, processes, strategy)
    same(run, trained(tmp_path / "alone", 1, {"optimizer": training.get("optimizer", "adamw")}, **settings))
