"""Positions inside attention: what a query makes of a key depends on how far away it is."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ops.nn.anatomy import Anatomy

CLIP = 16
"""Distance beyond which relative positions are all one (Shaw et al., 2018, table 2: 16 was enough)."""

BUCKETS, FARTHEST = 32, 128
"""Groups of distances of the T5 bias, and the distance from which on all are one group (Raffel et al., 2020)."""


class Rotary(nn.Module):
    """Turns each pair of dimensions by an angle in proportion to the position (Su et al., 2021).

    With R(p) the rotation of place p, (R(p) q) · (R(s) k) = q · R(s - p) k: scores depend on the distance alone. The
    pairs are dimensions i and i + D/2H, and the angle of pair i is p / 10000^(2i / (D/H)).
    """

    table: Tensor

    def __init__(self, head_dim: int, length: int) -> None:
        super().__init__()
        self.register_buffer("table", rotations(length, head_dim), persistent=False)

    def forward(self, x: Tensor, offset: int = 0) -> Tensor:
        """(B, H, T, D/H) to the same, the first position being at place `offset`."""
        end = offset + x.shape[2]
        if end > self.table.shape[1]:
            self.table = rotations(2 * end, x.shape[3]).to(self.table)
        cosines, sines = self.table[:, offset:end].to(x.dtype)
        half = cosines.shape[1]
        # With (a, b) the halves of x: (a, b) · (cos, cos) + (b, a) · (-sin, sin).
        along, across = torch.cat((cosines, cosines), dim=1), torch.cat((-sines, sines), dim=1)
        return x * along + x.roll(half, dims=-1) * across

    def bias(self, queries: Tensor, offset: int, columns: int) -> None:
        """None: it turns queries and keys, and adds nothing to scores."""


def rotations(length: int, head_dim: int) -> Tensor:
    """(2, length, D/2H): cosines and sines of the angles of each place, in double precision until they are rounded."""
    frequencies = torch.exp(torch.arange(0, head_dim, 2, dtype=torch.float64) * (-math.log(10_000.0) / head_dim))
    angles = torch.arange(length, dtype=torch.float64)[:, None] * frequencies
    return torch.stack((angles.cos(), angles.sin())).float()


class RelativePositions(nn.Module):
    """A trained vector a for each distance up to `CLIP` either way, added to the key (Shaw et al., 2018, equation 4).

    A score is q · (k + a[s - t]) / sqrt(D/H). The paper's other vectors, on the values, are left out: its table 3
    found no loss, and they would rule out the fused attention.
    """

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(2 * CLIP + 1, head_dim))
        nn.init.normal_(self.table, std=0.02)

    def bias(self, queries: Tensor, offset: int, columns: int) -> Tensor:
        """(B, H, T, S) of queries (B, H, T, D/H), the first at place `offset`, and S keys."""
        distances = _distances(queries, offset, columns).clamp(-CLIP, CLIP) + CLIP
        products = queries @ self.table.T / math.sqrt(queries.shape[-1])
        return products.gather(-1, distances.expand(*queries.shape[:2], -1, -1))


class DistanceBias(nn.Module):
    """A trained number for each head and group of distances, added to the score (Raffel et al., 2020, section 2.1).

    Half of the groups are single distances, the others grow like a logarithm up to `FARTHEST`. Without a look ahead
    all groups are for what is behind. T5 has one table for all blocks; here each block has its own, so that blocks
    can be apart, and scores are divided by sqrt(D/H) as everywhere.

    Attributes:
        told: the heads whose biases are told, all H by default; a process that has some of the queries wants theirs.
    """

    def __init__(self, heads: int, causal: bool) -> None:
        super().__init__()
        self.causal, self.told = causal, slice(None)
        self.table = nn.Parameter(torch.zeros(BUCKETS, heads))

    def bias(self, queries: Tensor, offset: int, columns: int) -> Tensor:
        """(1, H, T, S) for T queries, the first at place `offset`, and S keys."""
        groups = buckets(_distances(queries, offset, columns), self.causal)
        return self.table[:, self.told][groups].permute(2, 0, 1)[None]


def buckets(distances: Tensor, causal: bool) -> Tensor:
    """The group, 0 to `BUCKETS` - 1, of each distance of a key from its query (int64, below 0 for keys behind)."""
    groups = BUCKETS if causal else BUCKETS // 2
    ahead = torch.zeros_like(distances) if causal else (distances > 0) * groups
    away = (-distances).clamp(min=0) if causal else distances.abs()
    exact = groups // 2
    scale = (groups - exact) / math.log(FARTHEST / exact)
    far = exact + ((away.clamp(min=1) / exact).log() * scale).long()
    return ahead + torch.where(away < exact, away, far.clamp(max=groups - 1))


def make_relation(anatomy: Anatomy, causal: bool) -> Rotary | RelativePositions | DistanceBias | None:
    """What attention knows of positions: `rotary`, `relative`, `t5`, or nothing (what comes in may know them)."""
    if anatomy.positions == "rotary":
        return Rotary(anatomy.head_dim, anatomy.length)
    if anatomy.positions == "relative":
        return RelativePositions(anatomy.head_dim)
    return DistanceBias(anatomy.heads, causal) if anatomy.positions == "t5" else None


def _distances(queries: Tensor, offset: int, columns: int) -> Tensor:
    """(T, S): place of each key less that of each query."""
    places = torch.arange(columns, device=queries.device)
    return places - places[offset : offset + queries.shape[2], None]
