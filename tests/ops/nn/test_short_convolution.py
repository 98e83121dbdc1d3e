"""Short convolutions: the gradients that are written out, and lengths below the width."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import gradcheck

from ops.nn.short_convolution import Convolved, ShortConvolution


@pytest.mark.parametrize("length", [1, 2, 3, 4, 9])
def test_gradients_are_those_of_the_sum(length: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, length, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 1, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(Convolved.apply, (x, weight))


@pytest.mark.parametrize("length", [1, 3, 9])
def test_what_learns_and_what_only_reads_compute_the_same(length: int) -> None:
    torch.manual_seed(0)
    part = ShortConvolution(5, 4).double()
    part.weight.data.normal_()
    x = torch.randn(2, length, 5, dtype=torch.float64)
    assert torch.allclose(part(x.clone().requires_grad_()), part(x), atol=1e-12)
    slow = [
        sum(part.weight[k, 0] * x[:, t - k] for k in range(min(4, t + 1))) + x[:, t]  # one place at a time
        for t in range(length)
    ]
    assert torch.allclose(part(x), torch.stack([torch.as_tensor(value) for value in slow], dim=1), atol=1e-12)
