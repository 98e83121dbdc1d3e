"""How a Transformer, which sees a set, is told the order of its positions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class LearnedPositions(nn.Module):
    """A trained vector for each position."""

    def __init__(self, positions: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(positions, dim))
        nn.init.normal_(self.table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Add to x (B, T, D) the first T vectors of the table."""
        return x + self.table[: x.shape[1]]


class SinusoidalPositions(nn.Module):
    """Sines and cosines of geometrically falling frequencies (Vaswani et al., 2017, section 3.5); nothing trained."""

    table: Tensor

    def __init__(self, positions: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("table", sinusoids(positions, dim), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Add to x (B, T, D) the first T vectors of the table."""
        return x + self.table[: x.shape[1]]


def sinusoids(positions: int, dim: int) -> Tensor:
    """The table (positions, D): sin(p / 10000^(2i/D)) in even columns 2i, the cosine of it in odd ones."""
    frequencies = torch.exp(torch.arange(0, dim, 2) * (-math.log(10_000.0) / dim))
    angles = torch.arange(positions)[:, None] * frequencies
    return torch.stack((angles.sin(), angles.cos()), dim=2).reshape(positions, dim)


def make_positions(kind: str, positions: int, dim: int) -> LearnedPositions | SinusoidalPositions:
    """The positions of that kind: `learned` or `sinusoidal`."""
    return SinusoidalPositions(positions, dim) if kind == "sinusoidal" else LearnedPositions(positions, dim)
