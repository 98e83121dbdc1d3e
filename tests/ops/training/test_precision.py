from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from ops.errors import ConfigError
from ops.training.distributed import Group
from ops.training.parallel.base import Strategy
from ops.training.parallel.pipeline import Pipeline
from ops.training.parallel.sharded import Sharded
from ops.training.precision import PATIENCE, LossScale, lower, place
from tests.ops.training.runs import hashes, log, records, text_run, work


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_products_are_of_16_bits_and_weights_of_32(precision: str) -> None:
    model = nn.Sequential(nn.Linear(64, 64, bias=False), nn.ReLU())
    types = []
    model[0].register_forward_hook(lambda _module, _inputs, said: types.append(said.dtype))
    x = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    exact = model(x)
    lower(model, torch.device("cpu"), precision)
    said = model(x)
    assert types[1] == getattr(torch, precision) and said.dtype == torch.float32
    assert not torch.equal(said, exact) and torch.allclose(said, exact, atol=0.02)
    said.sum().backward()
    assert model[0].weight.grad.dtype == torch.float32  # type: ignore[union-attr]


def test_the_scale_falls_with_overflows_and_rises_after_many_steps_without() -> None:
    scale = LossScale("float16")
    scale.note(overflow=True)
    assert scale.value == 2.0**15
    for _ in range(PATIENCE):
        scale.note(overflow=False)
    assert scale.value == 2.0**16
    for _ in range(40):
        scale.note(overflow=True)
    assert scale.value == 1.0 and not scale.can_fall
    other = LossScale("bfloat16")
    other.note(overflow=True)
    assert other.value == 1.0 and not other.can_fall


def test_only_steps_in_a_row_without_an_overflow_raise_the_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """As torch's own scaler, with the same patience."""
    monkeypatch.setattr("ops.training.precision.PATIENCE", 5)
    ours = LossScale("float16")
    theirs = torch.amp.GradScaler("cpu", init_scale=ours.value, growth_interval=5)
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.0)
    for overflow in [*[False] * 4, True, *[False] * 11, True, True, *[False] * 6]:
        theirs.scale(weight.sum()).backward()  # type: ignore[no-untyped-call]
        weight.grad = torch.full((1,), float("inf") if overflow else 0.0)
        theirs.step(optimizer)
        theirs.update()
        ours.note(overflow)
        assert ours.value == theirs.get_scale()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_training_in_16_bits_learns_and_goes_on_to_the_same_bits(tmp_path: Path, precision: str) -> None:
    settings = {"precision": precision, "log_every": 1, "learning_rate": 0.01, "steps": 20}
    exact, whole, killed = (text_run(tmp_path / n, settings | s) for n, s in (
        ("exact", {"precision": "float32"}), ("whole", {}), ("killed", {})
    ))  # fmt: skip
    assert work(exact) == 0 and work(whole) == 0
    assert work(killed, SATIETY_FAULT="kill@90") == -signal.SIGKILL
    assert work(killed) == 0 and hashes(killed) == hashes(whole)
    losses = [np.array([line["loss"] for line in records(run) if "loss" in line]) for run in (exact, whole)]
    # Dropout draws are the same. Float16's first steps may be left out, until the scale fits.
    assert len(losses[1]) == 20 and np.abs(losses[0] - losses[1]).max() < (0.02 if precision == "bfloat16" else 0.3)
    assert losses[1][-5:].mean() < losses[1][:5].mean() and not np.array_equal(losses[0], losses[1])
    weights = load_file(whole.parent / "result" / "model.safetensors")
    assert all(value.dtype == torch.float32 for value in weights.values())


def test_an_overflow_leaves_the_update_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.training.precision.FIRST_SCALE", 2.0**40)
    run = text_run(tmp_path, {"precision": "float16", "log_every": 1, "steps": 30})
    assert work(run) == 0
    lines = [line for line in records(run) if "loss" in line]
    overflowed = ["grad_norm" not in line for line in lines]
    assert len(lines) == 30 and overflowed[0] and not overflowed[-1]
    assert all(overflowed[:15]) and sum(overflowed) < 26  # halved until it fits


def test_the_scale_goes_on_where_it_was(tmp_path: Path) -> None:
    """Killed after updates that overflowed: a scale that began anew would leave the same number out once more."""
    wide = {"precision": "float16", "log_every": 1, "steps": 30, "learning_rate": 0.01}
    whole, killed = text_run(tmp_path / "whole", wide), text_run(tmp_path / "killed", wide)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ops.training.precision.FIRST_SCALE", 2.0**40)
        assert work(whole) == 0
        assert work(killed, SATIETY_FAULT="kill@200") == -signal.SIGKILL
        assert work(killed) == 0
    assert "going on after step" in log(killed)
    assert hashes(killed) == hashes(whole)


def test_entries_that_overflowed_are_not_cut_off_but_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.training.precision.FIRST_SCALE", 2.0**40)
    run = text_run(tmp_path, {"precision": "float16", "log_every": 1, "steps": 30, "clip_value": 0.1})
    assert work(run) == 0
    overflowed = ["grad_norm" not in line for line in records(run) if "loss" in line]
    assert overflowed[0] and not overflowed[-1]


@pytest.mark.parametrize("strategy", [Strategy, lambda group: Pipeline(group, "gpipe", 1), Sharded])
def test_no_strategy_cuts_off_what_is_infinite(strategy: Callable[[Group], Strategy]) -> None:
    model = nn.Linear(2, 1, bias=False)
    model.weight.grad = torch.tensor([[float("inf"), 3.0]])
    assert not np.isfinite(strategy(Group()).clip(model, None, 1.0))


def test_what_the_device_has_no_numbers_for_is_named() -> None:
    """With `accelerator: auto` the device is known only when training begins."""
    with pytest.raises(ConfigError, match="Apple's GPUs have no float64") as found:
        place(nn.Linear(1, 1), torch.device("mps"), "float64")
    assert found.value.where == "training.precision"
    assert place(nn.Linear(1, 1), torch.device("cpu"), "float64").get_parameter("weight").dtype == torch.float64
