"""Local SGD against the same done by hand: two copies that go their own ways and meet every third step."""

from __future__ import annotations

import copy
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ops.training.distributed import Group
from ops.training.loader import Batch
from ops.training.parallel.local_sgd import LocalSgd
from tests.ops.training.parallel.apart import together
from tests.ops.training.parallel.test_strategies import TEXT
from tests.ops.training.runs import hashes, log, text_run, work_together

STEPS, EVERY, RATE = 8, 3, 0.2


def batch(step: int) -> Batch:
    rng = np.random.default_rng(step)
    inputs, labels = (torch.from_numpy(rng.normal(size=(5, width))) for width in (3, 2))
    return Batch(5, 5, 3, (inputs,), labels, torch.ones(5).double())


def loss_of(said: Tensor, part: Batch) -> Tensor:
    return ((said - part.labels).square().sum(dim=1) * part.weights).sum()


def network() -> nn.Linear:
    torch.manual_seed(2)
    return nn.Linear(3, 2).double()


def descend(model: nn.Module) -> None:
    with torch.no_grad():
        for weight in model.parameters():
            assert weight.grad is not None
            weight.sub_(RATE * weight.grad)
            weight.grad = None


def found(group: Group) -> list[list[Any]]:
    """The weights of a process after each step, and at the end what it says of settled tensors."""
    model, strategy = network(), LocalSgd(group, EVERY)
    strategy.prepare(model)
    path = []
    for step in range(STEPS):
        whole = batch(step)
        strategy.backward(whole.rows(slice(group.rank, None, 2)), loss_of, 1.0 / whole.count)
        descend(model)
        strategy.stepped(model, step + 1)
        path.append([weight.detach().clone().numpy() for weight in model.parameters()])
    one, other = torch.full((2, 2), float(group.rank)), {"count": torch.tensor([3 + group.rank])}
    strategy.settle({"a": one, "b": torch.tensor(4.0 * group.rank)}, {"a": one.double(), **other})
    path.append([one.numpy(), other["count"].numpy()])
    return path


def test_copies_go_their_own_ways_and_meet_every_third_step(tmp_path: Path) -> None:
    copies = [network() for _ in range(2)]
    expected: list[list[list[Any]]] = [[], []]
    for step in range(STEPS):
        for rank, model in enumerate(copies):
            part = batch(step).rows(slice(rank, None, 2))
            torch.autograd.backward(loss_of(model(*part.inputs), part) * 2 / 5)
            descend(model)
        if step in (2, 5):
            mean = copy.deepcopy(copies[0])
            for weight, *pair in zip(mean.parameters(), *(each.parameters() for each in copies), strict=True):
                weight.data = (pair[0].data + pair[1].data) / 2
            copies = [mean, copy.deepcopy(mean)]
        for rank, model in enumerate(copies):
            expected[rank].append([weight.detach().clone().numpy() for weight in model.parameters()])
    for path, wanted in zip(together(tmp_path, 2, found), expected, strict=True):
        for mine, theirs in zip(path[:-1], wanted, strict=True):
            for left, right in zip(mine, theirs, strict=True):
                np.testing.assert_allclose(left, right, atol=1e-12)
        np.testing.assert_array_equal(path[-1][0], np.full((2, 2), 0.5))  # a mean of both
    assert [path[-1][1].tolist() for path in together(tmp_path, 2, found)] == [[3], [4]]  # whole numbers are no weights


@pytest.mark.slow
def test_killed_it_goes_on_from_the_middle_that_was_stored_to_the_same_bits(tmp_path: Path) -> None:
    """Weights, the optimiser's state and the average are those of both where a checkpoint is written."""
    settings = {"strategy": "local_sgd", "parallel": {"average_every": 3}, "steps": 11, "evaluate_every": 50}
    settings |= {"averaging": {"kind": "ema", "decay": 0.5}, "checkpoint_every": 4}
    model = {**TEXT, "dropout": 0.1}
    runs = [text_run(tmp_path / name, settings, model=model, world_size=2) for name in ("whole", "killed")]
    assert work_together(runs[0]) == [0, 0]
    assert work_together(runs[1], SATIETY_FAULT="kill@75")[0] == -signal.SIGKILL
    assert work_together(runs[1]) == [0, 0]
    assert "going on after step" in log(runs[1]) and hashes(runs[1]) == hashes(runs[0])
