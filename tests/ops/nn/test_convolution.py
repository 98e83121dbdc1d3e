from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from ops.nn.convolution import Convolution, side_after


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(("dimensions", "kernel", "stride", "padding"), [(1, 3, 1, 2), (2, 3, 2, 1), (2, 1, 1, 0)])
def test_it_is_torchs_with_the_kernel_as_a_matrix(
    dimensions: int, kernel: int, stride: int, padding: int, bias: bool
) -> None:
    torch.manual_seed(0)
    ours = Convolution(3, 5, kernel, dimensions=dimensions, stride=stride, padding=padding, bias=bias)
    theirs = (nn.Conv1d, nn.Conv2d)[dimensions - 1](3, 5, kernel, stride=stride, padding=padding, bias=bias)
    theirs.weight.data.copy_(ours.weight.view_as(theirs.weight))
    if ours.bias is not None and theirs.bias is not None:
        theirs.bias.data.copy_(nn.init.normal_(ours.bias))
    x = torch.randn(2, 3, *[7] * dimensions)
    found, expected = ours(x), theirs(x)
    assert torch.allclose(found, expected, atol=1e-5)
    assert found.shape[2] == side_after(7, kernel, stride, padding)
    assert ours.weight.ndim == 2
    found.square().sum().backward()
    expected.square().sum().backward()
    assert ours.weight.grad is not None and theirs.weight.grad is not None
    assert torch.allclose(ours.weight.grad, theirs.weight.grad.flatten(1), atol=1e-3)


def test_the_variance_stays_through_many_layers() -> None:
    torch.manual_seed(0)
    x = torch.randn(8, 32, 24, 24)
    with torch.no_grad():
        for _ in range(10):
            x = Convolution(32, 32, 3)(x.relu())
    # A factor of 0.5 or 2 a layer would be 1e-3 or 1e3.
    assert 0.1 < float(x.square().mean()) < 10.0
    weight = Convolution(32, 64, 3).weight.detach()
    assert float(weight.std()) == pytest.approx(math.sqrt(2 / (32 * 9)), rel=0.05)
