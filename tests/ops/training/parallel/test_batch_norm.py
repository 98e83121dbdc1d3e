"""Shared batch norms: two processes are one on the batch of both; and where torch has a layer, it is torch's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ops.training.distributed import Group
from ops.training.loader import Batch
from ops.training.parallel.batch_norm import SharedBatchNorm
from ops.training.parallel.ddp import Ddp
from tests.ops.training.parallel.apart import together

Found = tuple[list[float], dict[str, Any]]


def network() -> nn.Module:
    torch.manual_seed(4)
    return nn.Sequential(
        nn.Conv2d(2, 3, 3),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(12, 4),
        nn.BatchNorm1d(4, momentum=None),
    ).double()


def batch(rows: int) -> Batch:
    rng = np.random.default_rng(6)
    images = torch.from_numpy(rng.normal(2.0, 3.0, (rows, 2, 4, 4)))
    return Batch(rows, rows, 32, (images,), torch.from_numpy(rng.normal(size=(rows, 4))), torch.ones(rows).double())


def loss_of(said: Tensor, part: Batch) -> Tensor:
    return ((said - part.labels).square().sum(dim=1) * part.weights).sum()


def trained(model: nn.Module, batches: list[Batch], strategy: Ddp | None) -> Found:
    """Losses, gradients and buffers after some batches, and what the model says when it is judged."""
    losses = []
    for each in batches:
        model.zero_grad()
        if strategy is None:
            loss = loss_of(model(*each.inputs), each)
            torch.autograd.backward(loss / each.count)
            losses.append(float(loss.detach()))
        else:
            losses.append(float(strategy.total(strategy.backward(each, loss_of, 1.0 / each.count).double())))
    found = {f"{name}.grad": weight.grad for name, weight in model.named_parameters()} | dict(model.named_buffers())
    model.eval()
    with torch.no_grad():
        found["judged"] = model(*batch(3).inputs)
    return losses, {name: value.numpy() for name, value in found.items() if value is not None}


def sharing(group: Group, sizes: list[int]) -> Found:
    model, strategy = network(), Ddp(group)
    strategy.share_norms(model, wanted=True)
    assert sum(isinstance(module, SharedBatchNorm) for module in model.modules()) == 2
    strategy.prepare(model)
    parts = []
    for size in sizes:
        whole = batch(size)
        mine = whole.rows(slice(group.rank, None, 2))
        if not len(mine.labels):  # only a stand-in, as the loader gives it
            mine = whole.rows(slice(0, 1))
            mine = Batch(mine.count, mine.examples, mine.width, mine.inputs, mine.labels, torch.zeros(1).double())
        parts.append(mine)
    return trained(model, parts, strategy)


@pytest.mark.parametrize("sizes", [[6, 6], [5, 3], [4, 1]])
def test_two_processes_are_one_on_the_batch_of_both(tmp_path: Path, sizes: list[int]) -> None:
    """Also with uneven shares, and where the second process has no example at all."""
    if sizes[-1] == 1:  # one example has no variance in the last layer: torch refuses it, and so do both processes
        with pytest.raises(AssertionError, match="two values of a channel"):
            together(tmp_path, 2, lambda group: sharing(group, sizes))
        return
    losses, expected = trained(network(), [batch(size) for size in sizes], None)
    for found in together(tmp_path, 2, lambda group: sharing(group, sizes)):
        assert found[0] == pytest.approx(losses, rel=1e-12)
        for name, value in expected.items():
            np.testing.assert_allclose(found[1][name], value, atol=1e-12, err_msg=name)


def test_a_stand_in_does_not_count(tmp_path: Path) -> None:
    """One image, of which the convolution's norm has four values; the second process has only its stand-in."""

    def found(group: Group) -> Any:
        torch.manual_seed(4)
        model, strategy = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)).double(), Ddp(group)
        strategy.share_norms(model, wanted=True)
        strategy.prepare(model)
        image = batch(2).inputs[0][:1] + group.rank
        weights = torch.full((1,), 1.0 - group.rank).double()
        part = Batch(1, 1, 32, (image,), torch.zeros(1), weights)
        strategy.backward(part, lambda said, part: (said.square().sum(dim=(1, 2, 3)) * part.weights).sum(), 1.0)
        return arrays(model)

    torch.manual_seed(4)
    alone = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)).double()
    torch.autograd.backward(alone(batch(2).inputs[0][:1]).square().sum())
    for each in together(tmp_path, 2, found):
        for mine, expected in zip(each, arrays(alone), strict=True):
            np.testing.assert_allclose(mine, expected, atol=1e-12)


def arrays(model: nn.Module) -> list[Any]:
    """Gradients and buffers."""
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    return [value.numpy() for value in (*gradients, *model.buffers())]


def test_in_16_bits_sums_and_counts_are_of_32(tmp_path: Path) -> None:
    """2,448 values of a channel are no number of bfloat16: it goes on in steps of 16 there, and sums lose more."""
    torch.manual_seed(4)
    images = (3.0 + torch.randn(9, 3, 16, 17)).to(torch.bfloat16)

    def found(group: Group) -> Any:
        norm = SharedBatchNorm(nn.BatchNorm2d(3))
        said = norm(images[group.rank :: 2])
        assert said.dtype == torch.bfloat16
        return [value.detach().float().numpy() for value in (said, norm.running_mean, norm.running_var)]  # type: ignore[union-attr]

    alone = nn.BatchNorm2d(3)
    said = alone(images).detach().float().numpy()
    for rank, (mine, mean, variance) in enumerate(together(tmp_path, 2, found)):
        np.testing.assert_allclose(mine, said[rank::2], atol=0.02)
        np.testing.assert_allclose(mean, alone.running_mean, atol=1e-5)  # type: ignore[arg-type]
        np.testing.assert_allclose(variance, alone.running_var, atol=1e-5)  # type: ignore[arg-type]
