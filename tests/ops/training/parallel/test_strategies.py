"""Every strategy trains what one process trains alone: losses and whole weights, to many digits in float64."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.ops.training.runs import hashes, log, records, text_run, work, work_together, write_cache

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


@pytest.mark.parametrize("strategy", ["ddp", "zero1", "fsdp", "tensor", "pipeline"])
def test_two_processes_train_what_one_does(tmp_path: Path, single: Path, strategy: str) -> None:
    run = trained(tmp_path, 2, {"strategy": strategy})
    same(run, single)
    both, alone = (json.loads((path.parent / "result" / "cost.json").read_text()) for path in (run, single))
    assert both["examples"] == alone["examples"] and both["processes"] == 2
    # Those that share a batch do its operations once; parts of a batch are padded to their own longest text.
    least = 0.99 if strategy in ("tensor", "pipeline") else 0.7
    assert least * alone["flops"] < both["flops"] <= alone["flops"]


@pytest.mark.slow
def test_four_train_what_one_does(tmp_path: Path, single: Path) -> None:
    same(trained(tmp_path, 4, {"strategy": "fsdp_tensor"}), single)


IN_PARTS = {"steps": 30, "evaluate_every": 1, "patience": 2, "micro_batch": 2, "clip_norm": 0.05, "clip_value": None}
"""Until two evaluations in a row bring nothing more; parts that add up, their sum cut to a length, means of weights."""


@pytest.mark.slow
def test_four_train_in_parts_until_nothing_better_comes(tmp_path: Path) -> None:
    """By `fsdp_tensor`, which divides blocks two ways: the length of gradients and the patience are those of one."""
    alone = trained(tmp_path / "alone", 1, IN_PARTS)
    assert "patience is at its end" in log(alone) and 4 < sum(1 for _ in records(alone)) < 50
    four = trained(tmp_path / "four", 4, {**IN_PARTS, "strategy": "fsdp_tensor"})
    same(four, alone)
    assert "patience is at its end" in log(four)


@pytest.fixture(scope="module")
def by_muon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process alone trains with Muon, which wants whole matrices."""
    return trained(tmp_path_factory.mktemp("muon"), 1, {"optimizer": "muon"})


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["zero1", "fsdp", "tensor", "pipeline"])
def test_with_muon_too(tmp_path: Path, by_muon: Path, strategy: str) -> None:
    same(trained(tmp_path, 2, {"strategy": strategy, "optimizer": "muon"}), by_muon)


@pytest.mark.slow
def test_with_sgd_too(tmp_path: Path) -> None:
    alone = trained(tmp_path / "alone", 1, {"optimizer": "sgd"})
    same(trained(tmp_path / "both", 2, {"strategy": "zero1", "optimizer": "sgd"}), alone)


UNEVEN = {"batch_size": 47, "steps": 4, "micro_batch": 16, "evaluate_every": 2}


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One process, with batches of 47 examples and of one."""
    return trained(tmp_path_factory.mktemp("uneven"), 1, UNEVEN)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "zero1", "fsdp", "tensor", "pipeline", "parameter_server"])
def test_uneven_batches_in_several_parts(tmp_path: Path, uneven: Path, strategy: str) -> None:
    """24 examples here and 23 there, then one here and none there; computed in parts that add up."""
    world = 3 if strategy == "parameter_server" else 2
    whole = {"micro_batch": None} if strategy == "parameter_server" else {}
    same(trained(tmp_path, world, {**UNEVEN, **whole, "strategy": strategy}), uneven)


ROUGH = {"precision": "bfloat16", "averaging": None}


@pytest.fixture(scope="module")
def rough(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process alone trains in 16 bits."""
    return trained(tmp_path_factory.mktemp("rough"), 1, ROUGH)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["zero1", "fsdp", "tensor", "pipeline"])
def test_in_bfloat16_it_is_nearly_one_process(tmp_path: Path, rough: Path, strategy: str) -> None:
    both = trained(tmp_path, 2, {**ROUGH, "strategy": strategy})
    losses = [[line["loss"] for line in records(run) if "loss" in line] for run in (rough, both)]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def go_on(run: Path, after: int, world: int, strategy: str) -> None:
    """Take a run that has ended back to the checkpoint after some steps, and let others finish it."""
    shutil.rmtree(run.parent / "result")
    for path in (run.parent / "checkpoints").iterdir():
        if path.name > f"step-{after:08d}":
            shutil.rmtree(path)
    told = json.loads(run.read_text())
    told["training"]["strategy"], told["world_size"] = strategy, world
    run.write_text(json.dumps(told))
    assert ([work(run)] if world == 1 else work_together(run, world)) == [0] * world
    assert f"going on after step {after}\n" in log(run)


SHORT = ((2, 1, "ddp"), (4, 2, "tensor"))
LONG = ((2, 1, "ddp"), (3, 2, "tensor"), (4, 2, "pipeline"), (5, 2, "zero1"), (6, 1, "ddp"))


@pytest.mark.parametrize("ways", [SHORT, pytest.param(LONG, marks=pytest.mark.slow)])
def test_a_run_goes_on_under_other_strategies(tmp_path: Path, single: Path, ways: Any) -> None:
    """Each from the checkpoint of the one before, weights, optimiser's state and average: as if one had done it all."""
    run = trained(tmp_path, 2, {"strategy": "fsdp", "checkpoint_every": 1, "keep_checkpoints": 9})
    for after, world, strategy in ways:
        go_on(run, after, world, strategy)
    same(run, single)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["tensor", "pipeline"])
def test_killed_the_bits_are_the_same_with_dropout(tmp_path: Path, strategy: str) -> None:
    """Those that share a batch drop the same values before and after; `zero1` and `fsdp` are in `test_families`."""
    settings = {"strategy": strategy, "precision": "float32", "steps": 9, "checkpoint_every": 2}
    model = {**TEXT, "dropout": 0.2}
    whole = trained(tmp_path / "whole", 2, settings, model=model)
    run = text_run(tmp_path / "killed", {**EXACT, **settings}, model=model, world_size=2)
    assert work_together(run, SATIETY_FAULT="kill@110")[0] == -signal.SIGKILL
    assert work_together(run) == [0, 0]
    assert "going on after step" in log(run) and hashes(run) == hashes(whole)


@pytest.mark.slow
@pytest.mark.parametrize("compression", ["fp16", "bf16", "powersgd"])
def test_told_in_fewer_bits_gradients_are_nearly_the_same(tmp_path: Path, compression: str) -> None:
    """Within what 16 bits lose; PowerSGD only has to learn."""
    settings = {"precision": "float32", "averaging": None, "steps": 30}
    wide = {**TEXT, "dim": 32}  # narrower matrices would be told as they are
    alone = trained(tmp_path / "alone", 1, settings, model=wide)
    both = trained(tmp_path / "both", 2, {**settings, "parallel": {"compression": compression}}, model=wide)
    losses = [[line["loss"] for line in records(run) if "loss" in line] for run in (alone, both)]
    assert losses[1] != losses[0]
    assert losses[1] == pytest.approx(losses[0], rel=0.3 if compression == "powersgd" else 0.02)


@pytest.mark.slow
def test_local_sgd_meets_in_the_middle(tmp_path: Path) -> None:
    """Averaged after every step, SGD without momentum is what one process does; averaged later it still learns."""
    plain = {"optimizer": "sgd", "momentum": 0.0, "clip_norm": None, "clip_value": None, "averaging": None, "steps": 24}
    alone = trained(tmp_path / "alone", training={**plain, "batch_size": 8})
    often = trained(tmp_path / "often", 2, {**plain, "batch_size": 8, "strategy": "local_sgd", "parallel": EVERY})
    same(often, alone)
    rare = trained(tmp_path / "rare", 2, {**plain, "batch_size": 8, "strategy": "local_sgd"})
    first, *_, last = [line["loss"] for line in records(rare) if "loss" in line]
    assert last < first


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_compiled_they_train_what_one_does(
    tmp_path: Path, single: Path, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced and divided into forward and backward graphs as on GPUs, but run without a compiler of C++."""
    whole = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function: whole(function, backend="aot_eager"))
    same(trained(tmp_path, 2, {"strategy": strategy, "compile": True}), single)


def test_nothing_else_goes_on_from_local_sgd(tmp_path: Path) -> None:
    """Its weights are those of another algorithm, as with compressed gradients, and not those of this one."""
    run = text_run(tmp_path, {"strategy": "local_sgd"}, model=TEXT, world_size=2)
    assert work_together(run, SATIETY_FAULT="kill@75")[0] == -signal.SIGKILL
    told = json.loads(run.read_text())
    run.write_text(json.dumps({**told, "training": {**told["training"], "strategy": "ddp"}}))
    assert work_together(run) == [0, 0]
    assert "it is of another run" in log(run) and "going on" not in log(run)


def test_local_sgd_without_anything_to_judge_by_stores_the_middle(tmp_path: Path) -> None:
    """No evaluation and no checkpoint comes before the end: what is stored is of both processes all the same."""
    settings = {"strategy": "local_sgd", "averaging": None, "checkpoint_every": 100, "parallel": {"average_every": 100}}
    runs = [text_run(tmp_path / name, {**EXACT, **settings}, model=TEXT, world_size=2) for name in ("one", "other")]
    for run, change in zip(runs, ({}, {"checkpoint_every": 7}), strict=True):  # a checkpoint averages at the end
        told = json.loads(run.read_text())
        examples: list[tuple[list[int], int | None, str, int]] = [
            ([n % 7, n % 5], n % 3, "train", 0) for n in range(48)
        ]
        told["inputs"] = [write_cache(run.parent / "train", examples, "<u2")]
        told["training"] |= change
        run.write_text(json.dumps(told))
        assert work_together(run) == [0, 0]
    one, other = (load_file(run.parent / "result" / "model.safetensors") for run in runs)
    assert all(torch.equal(one[name], other[name]) for name in one)


EVERY = {"average_every": 1}
