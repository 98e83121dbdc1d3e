"""Weights and gradients by seeds, for optimisers that are held against torch's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


def weights(shapes: Sequence[tuple[int, ...]]) -> list[nn.Parameter]:
    """Normal weights of those shapes, the same each time."""
    source = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=source)) for shape in shapes]


def set_gradients(params: list[nn.Parameter], number: int) -> None:
    """Normal gradients, the same for a number."""
    source = torch.Generator().manual_seed(number)
    for param in params:
        param.grad = torch.randn(param.shape, generator=source)
