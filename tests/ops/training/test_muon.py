from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ops.training.muon import Muon, orthogonal
from tests.ops.training.weights import set_gradients, weights

SHAPES = ((8, 8), (8, 8), (24, 8), (8, 24), (6, 3), (8, 8))


def test_it_is_torchs_muon() -> None:
    ours, theirs = weights(SHAPES), weights(SHAPES)
    mine = Muon(ours, lr=0.02, momentum=0.9, weight_decay=0.3)
    other = torch.optim.Muon(theirs, lr=0.02, momentum=0.9, weight_decay=0.3)
    for number in range(5):
        set_gradients(ours, number)
        set_gradients(theirs, number)
        mine.step()
        other.step()  # type: ignore[no-untyped-call]
    for one, two in zip(ours, theirs, strict=True):
        # bfloat16 has 8 bits: batched products round otherwise than single ones.
        assert torch.allclose(one, two, atol=0.02 * 5 * 0.03), (one - two).abs().max()


def test_singular_values_come_near_one() -> None:
    source = torch.Generator().manual_seed(1)
    for shape in ((3, 16, 16), (2, 40, 10), (2, 10, 40)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape, generator=source)).float())
        assert values.median() == pytest.approx(1.0, abs=0.3) and values.max() < 1.35


def test_the_directions_are_those_of_the_polar_factor() -> None:
    matrix = torch.randn(1, 12, 20, generator=torch.Generator().manual_seed(2))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    polar, found = left @ right, orthogonal(matrix).float()
    assert nn.functional.cosine_similarity(polar.flatten(), found.flatten(), dim=0) > 0.97


def test_a_convolution_counts_as_a_matrix() -> None:
    source = torch.Generator().manual_seed(0)
    flat = nn.Parameter(torch.randn(4, 18, generator=source))
    filters = nn.Parameter(flat.detach().reshape(4, 2, 3, 3).clone())
    both = [Muon([flat], lr=0.1), Muon([filters], lr=0.1)]
    flat.grad = torch.randn(4, 18, generator=source)
    filters.grad = flat.grad.reshape(4, 2, 3, 3).clone()
    for optimizer in both:
        optimizer.step()
    assert torch.equal(filters.reshape(4, 18), flat)


def test_weights_without_gradients_stay() -> None:
    params = weights(SHAPES)
    before = params[0].detach().clone()
    optimizer = Muon(params, lr=0.1, weight_decay=1.0)
    optimizer.step()
    set_gradients(params, 0)
    params[0].grad = None
    optimizer.step()
    assert torch.equal(params[0], before) and len(optimizer.state) == len(SHAPES) - 1


def test_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match=r"not for a weight of shape \(3,\)"):
        Muon([nn.Parameter(torch.zeros(3))], lr=0.1)


def test_operations_are_those_that_torch_counts() -> None:
    params = weights(SHAPES)
    optimizer = Muon(params, lr=0.1)
    set_gradients(params, 0)
    with FlopCounterMode(display=False) as counter:
        optimizer.step()
    assert optimizer.flops == counter.get_total_flops()
