"""The feed-forward networks, each against its formula in plain arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

from ops.nn.feed_forward import ACTIVATIONS, FeedForward, relu_squared

FORMULAS: dict[str, Callable[[float, float], float]] = {
    "relu": lambda x, gate: max(0.0, x),
    "gelu": lambda x, gate: x * 0.5 * (1 + math.erf(x / math.sqrt(2))),
    "relu2": lambda x, gate: max(0.0, x) ** 2,
    "swiglu": lambda x, gate: x * gate / (1 + math.exp(-gate)),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_each_value_is_that_of_the_formula(activation: str, bias: bool) -> None:
    torch.manual_seed(0)
    layer, x = FeedForward(3, 5, activation, bias).double(), torch.randn(2, 4, 3, dtype=torch.float64)
    assert (layer.gate is not None) == (activation == "swiglu")
    inside = layer.project_in(x)
    gates = inside if layer.gate is None else layer.gate(x)
    formula = FORMULAS[activation]
    values = [formula(a, b) for a, b in zip(inside.flatten().tolist(), gates.flatten().tolist(), strict=True)]
    changed = torch.tensor(values, dtype=torch.float64).view_as(inside)
    assert torch.allclose(layer(x), layer.project_out(changed), atol=1e-12)
    assert all((part.bias is not None) == bias for part in (layer.project_in, layer.project_out))


def test_positions_are_apart() -> None:
    layer, x = FeedForward(4, 8), torch.randn(1, 3, 4)
    other = x.clone()
    other[:, 1] += 1.0
    assert torch.equal(layer(x)[:, ::2], layer(other)[:, ::2])


def test_squared_relu_and_its_gradient_are_torchs_to_the_bit() -> None:
    torch.manual_seed(0)
    x, weights, found = torch.randn(5, 7, 33), torch.randn(5, 7, 33), []
    for function in (relu_squared, lambda value: functional.relu(value).square()):
        given = x.clone().requires_grad_()
        said = function(given)
        torch.autograd.backward((said * weights).sum())
        found.append((said, given.grad))
    (ours, gradient), (theirs, expected) = found
    assert torch.equal(ours, theirs) and torch.equal(relu_squared(x), theirs)
    assert gradient is not None and expected is not None and torch.equal(gradient, expected)
