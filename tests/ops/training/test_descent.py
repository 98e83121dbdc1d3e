from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from ops.training.descent import Adam, Descent, Sgd
from tests.ops.training.weights import set_gradients, weights

SHAPES = ((3, 4), (5,), (2, 3, 2))
ADAM = {"lr": 0.01, "betas": (0.9, 0.98), "eps": 1e-8, "weight_decay": 0.1}


@pytest.mark.parametrize(
    ("ours", "theirs", "settings"),
    [
        (lambda g, s: Sgd(g, **s), lambda g, s: torch.optim.SGD(g, nesterov=True, **s), {"lr": 0.1, "momentum": 0.9}),
        (lambda g, s: Sgd(g, **s), torch.optim.SGD, {"lr": 0.1, "momentum": 0.0, "weight_decay": 0.3}),
        (lambda g, s: Adam(g, decoupled=False, **s), lambda g, s: torch.optim.Adam(g, fused=True, **s), ADAM),
        (lambda g, s: Adam(g, decoupled=True, **s), lambda g, s: torch.optim.AdamW(g, fused=True, **s), ADAM),
    ],
)
def test_they_are_torchs_to_the_bit(ours: Any, theirs: Any, settings: dict[str, Any]) -> None:
    mine, other = weights(SHAPES), weights(SHAPES)
    full = {"weight_decay": 0.0, **settings}
    one: Descent = ours([{"params": mine[:2]}, {"params": mine[2:], "lr": 0.02}], full)
    groups = [{"params": other[:2]}, {"params": other[2:], "lr": 0.02}]
    two = theirs(groups, full) if not isinstance(theirs, type) else theirs(groups, **full)
    for number in range(6):
        for params, optimizer in ((mine, one), (other, two)):
            set_gradients(params, number)
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(mine, other, strict=True))


def test_adam_is_the_papers() -> None:
    (weight,) = params = [nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))]
    optimizer = Adam([{"params": params}], decoupled=True, **ADAM)
    value, first, second = weight.detach().clone(), torch.zeros(2), torch.zeros(2)
    for number in range(1, 5):
        gradient = torch.tensor([0.3 * number, -1.0], dtype=torch.float64)
        weight.grad = gradient.clone()
        optimizer.step()
        first, second = 0.9 * first + 0.1 * gradient, 0.98 * second + 0.02 * gradient**2
        value = value * (1 - 0.01 * 0.1)
        value = value - 0.01 * (first / (1 - 0.9**number)) / ((second / (1 - 0.98**number)).sqrt() + 1e-8)
    assert torch.allclose(weight, value, rtol=1e-12)


def test_weights_without_gradients_stay_and_gradients_are_forgotten() -> None:
    params = weights(SHAPES)
    optimizer = Adam([{"params": params}], decoupled=True, **ADAM)
    set_gradients(params, 0)
    params[1].grad = None
    before = params[1].detach().clone()
    optimizer.step()
    assert torch.equal(params[1], before) and len(optimizer.state) == 2
    optimizer.zero_grad()
    assert all(param.grad is None for param in params)


def test_no_compiler_is_imported() -> None:
    script = (
        "import sys, torch; from ops.training.descent import Adam; w = torch.nn.Parameter(torch.ones(2)); "
        "w.grad = torch.ones(2); "
        "Adam([{'params': [w]}], decoupled=True, lr=1, betas=(0.9, 0.9), eps=1e-8, weight_decay=0.0).step(); "
        "print([m for m in ('torch._dynamo', 'sympy') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
