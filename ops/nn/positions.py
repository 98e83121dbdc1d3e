"""How a Transformer, which sees a set, is told the order of its positions by what is added to them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ops.errors import ConfigError


class LearnedPositions(nn.Module):
    """A trained vector for each position."""

    def __init__(self, positions: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(positions, dim))
        nn.init.normal_(self.table, std=0.02)

    def forward(self, x: Tensor, offset: int = 0) -> Tensor:
        """Add to x (B, T, D) T vectors of the table, from row `offset` on.

        Raises:
            ConfigError: the table has no vectors for such positions.
        """
        end, rows = offset + x.shape[1], len(self.table)
        if end > rows:
            raise ConfigError(
                f"learned positions end at {rows}, asked for {end}", hint="positions: rotary or sinusoidal go on"
            )
        return x + self.table[offset:end]


class SinusoidalPositions(nn.Module):
    """Sines and cosines of geometrically falling frequencies (Vaswani et al., 2017, section 3.5); nothing trained."""

    table: Tensor

    def __init__(self, positions: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("table", sinusoids(positions, dim), persistent=False)

    def forward(self, x: Tensor, offset: int = 0) -> Tensor:
        """Add to x (B, T, D) T vectors of the table, from row `offset` on; the table grows as needed."""
        end = offset + x.shape[1]
        if end > len(self.table):
            self.table = sinusoids(2 * end, x.shape[2]).to(self.table)
        return x + self.table[offset:end]


class NoPositions(nn.Module):
    """Nothing is added: attention tells positions apart by itself, or not at all."""

    def forward(self, x: Tensor, offset: int = 0) -> Tensor:
        """x (B, T, D) as it is."""
        return x


def sinusoids(positions: int, dim: int) -> Tensor:
    """The table (positions, D): sin(p / 10000^(2i/D)) in even columns 2i, the cosine of it in odd ones."""
    frequencies = torch.exp(torch.arange(0, dim, 2) * (-math.log(10_000.0) / dim))
    angles = torch.arange(positions)[:, None] * frequencies
    return torch.stack((angles.sin(), angles.cos()), dim=2).reshape(positions, dim)


def make_positions(kind: str, positions: int, dim: int) -> LearnedPositions | SinusoidalPositions | NoPositions:
    """The positions of that kind: `learned` or `sinusoidal`; all others add nothing (see `ops.nn.relations`)."""
    if kind == "learned":
        return LearnedPositions(positions, dim)
    return SinusoidalPositions(positions, dim) if kind == "sinusoidal" else NoPositions()
