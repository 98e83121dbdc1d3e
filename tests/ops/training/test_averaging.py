from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ops.errors import ConfigError
from ops.training.averaging import Average
from ops.training.config import Averaging
from ops.training.progress import Progress
from tests.ops.training.runs import hashes, log, records, text_run, work, work_together, write_cache

TRAINED: list[tuple[list[int], int | None, str, int]] = [([n % 3, n % 5], n % 3, "train", 0) for n in range(30)]


def test_settings_of_the_other_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="every is for swa"):
        Averaging(kind="ema", every=2)
    with pytest.raises(ValueError, match="decay is for ema"):
        Averaging(kind="swa", decay=0.5)


def test_a_batch_that_is_left_out_counts_as_a_step_of_the_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain mean of weights W1, W2, W2, W3, of which the third batch brought no change."""
    whole = Average.follow
    seen: list[torch.Tensor] = []

    def follow(self: Average, step: int) -> None:
        whole(self, step)
        seen.append(next(iter(self._current.values())).clone())
        mean = torch.stack(seen).mean(dim=0)
        assert torch.allclose(next(iter(self.tensors.values())), mean, atol=1e-6), step

    monkeypatch.setattr(Average, "follow", follow)
    monkeypatch.setattr("ops.training.loop.Progress", lambda **known: Progress(**{"left_out": [2], **known}))
    run = text_run(tmp_path, {"averaging": {"kind": "swa"}, "steps": 4, "optimizer": "sgd", "learning_rate": 1.0})
    assert work(run) == 0
    assert [line["step"] for line in records(run) if "left_out" in line] == [3]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def step(model: nn.Module, number: int) -> None:
    source = torch.Generator().manual_seed(number)
    with torch.no_grad():
        for value in (*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())):
            value.add_(torch.randn(value.shape, generator=source))
        model[1].num_batches_tracked.add_(1)  # type: ignore[index]


def same(average: Average, other: AveragedModel) -> bool:
    state = other.module.state_dict()
    return all(torch.allclose(value, state[name], atol=1e-5) for name, value in average.tensors.items())


def test_a_plain_mean_is_torchs() -> None:
    model = network()
    average = Average(Averaging(kind="swa", start=0.2, every=3), model, 20)
    other = AveragedModel(model, use_buffers=True)
    for number in range(1, 21):
        step(model, number)
        average.follow(number)
        if number in (7, 10, 13, 16, 19):
            other.update_parameters(model)
        assert bool(average.tensors) == (number >= 7)
    assert same(average, other)


def test_a_moving_average_is_torchs_once_its_decay_is_reached() -> None:
    model = network()
    average = Average(Averaging(kind="ema", decay=0.5), model, 20)
    other = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5), use_buffers=True)  # type: ignore[no-untyped-call]
    for number in range(1, 30):
        step(model, number)
        average.follow(number)
        if number == 9:  # 9 / (9 + 9) = 0.5: from here on the two rules are one
            other.module.load_state_dict({**model.state_dict(), **average.tensors})
            other.n_averaged.fill_(1)
        elif number > 9:
            other.update_parameters(model)
    assert same(average, other)


@pytest.mark.parametrize("start", [0.0, 0.25])
def test_the_first_weights_are_soon_forgotten(start: float) -> None:
    """Steps are counted from where averaging begins, with the weights of the first one after it."""
    model = nn.Linear(1, 1, bias=False)
    average = Average(Averaging(kind="ema", decay=0.99, start=start), model, 100)
    wanted, before = 0.0, round(100 * start)
    for number in range(1, 40):
        with torch.no_grad():
            model.weight.fill_(float(number))
        average.follow(number)
        assert bool(average.tensors) == (number > before)
        taken = max(1, number - before)
        kept = min(0.99, taken / (9 + taken))
        wanted = kept * wanted + (1 - kept) * number if taken > 1 else number
    assert float(average.tensors["weight"]) == pytest.approx(wanted, rel=1e-5)


def test_where_nothing_is_judged_the_result_is_the_average(tmp_path: Path) -> None:
    """The mean of what runs of one, two and three steps leave."""

    def left(name: str, steps: int, **settings: Any) -> dict[str, torch.Tensor]:
        plain = {"steps": steps, "schedule": "constant", "warmup": 0.0, "log_every": 1, **settings}
        run = text_run(tmp_path / name, plain)
        told = json.loads(run.read_text())
        told["inputs"] = [write_cache(tmp_path / f"cache-{name}", TRAINED, "<u2")]
        run.write_text(json.dumps(told))
        assert work(run) == 0
        return load_file(run.parent / "result" / "model.safetensors")

    each = [left(str(steps), steps) for steps in (1, 2, 3)]
    mean = left("mean", 3, averaging={"kind": "swa"})
    for name, value in mean.items():
        assert torch.allclose(value, torch.stack([weights[name] for weights in each]).mean(dim=0), atol=1e-6), name
    assert any(not torch.allclose(value, each[-1][name], atol=1e-4) for name, value in mean.items())


def test_in_place_is_the_average_and_afterwards_the_weights() -> None:
    model = network()
    average = Average(Averaging(kind="swa"), model, 4)
    step(model, 1)
    average.follow(1)
    step(model, 2)
    average.follow(2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with average.in_place():
        assert all(torch.equal(value, average.tensors[n]) for n, value in model.named_parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with Average(None, model, 4).in_place():
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("averaging", [{"kind": "ema", "decay": 0.8}, {"kind": "swa", "start": 0.3, "every": 2}])
def test_the_result_is_the_average_and_survives_a_kill(tmp_path: Path, averaging: dict[str, Any]) -> None:
    settings = {"averaging": averaging, "select": "last", "evaluate_every": 7}
    whole, killed = text_run(tmp_path / "whole", settings), text_run(tmp_path / "killed", settings)
    plain = text_run(tmp_path / "plain", {"select": "last", "evaluate_every": 7})
    assert work(whole) == 0 and work(plain) == 0
    assert work(killed, SATIETY_FAULT="kill@75") == -signal.SIGKILL
    assert work(killed) == 0 and "going on after step" in log(killed)
    assert hashes(killed) == hashes(whole)
    losses = [[line["loss"] for line in records(run) if "loss" in line] for run in (whole, plain)]
    assert losses[0] == losses[1]  # what is trained is the same
    valid = [[line["valid_loss"] for line in records(run) if "valid_loss" in line] for run in (whole, plain)]
    assert valid[0] != valid[1]  # what is judged is not


def test_two_processes_average_what_one_does(tmp_path: Path) -> None:
    settings = {"averaging": {"kind": "ema"}, "log_every": 1}
    model = {"kind": "transformer_encoder", "dim": 8, "depth": 1, "heads": 2, "dropout": 0.0}
    one = text_run(tmp_path / "one", settings, model=model)
    two = text_run(tmp_path / "two", settings, model=model, world_size=2)
    assert work(one) == 0 and work_together(two) == [0, 0]
    valid = [[line["valid_loss"] for line in records(run) if "valid_loss" in line] for run in (one, two)]
    assert np.allclose(valid[0], valid[1], atol=1e-5)


@pytest.mark.parametrize("settings", [{"kind": "swa", "every": 9}, {"kind": "swa", "start": 0.9, "every": 2}])
def test_an_average_of_nothing_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="of 8 steps none is averaged"):
        Average(Averaging(**settings), network(), 8)
