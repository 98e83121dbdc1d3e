"""Multi-head self-attention (Vaswani et al., 2017, section 3.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Every position looks at every other one, in several heads, each of D/H dimensions."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project_in = nn.Linear(dim, 3 * dim)
        self.project_out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Mix the positions of each example.

        Args:
            x: (B, T, D).
            mask: (B, T) bool, true for positions that may be looked at; None for all. At least one of each example.

        Returns:
            (B, T, D).
        """
        batch, positions, dim = x.shape
        # (B, T, 3D) -> three of (B, H, T, D/H)
        parts = self.project_in(x).view(batch, positions, 3, self.heads, dim // self.heads)
        queries, keys, values = parts.permute(2, 0, 3, 1, 4).unbind(0)
        visible = None if mask is None else mask[:, None, None, :]
        mixed = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=visible)
        projected: Tensor = self.project_out(mixed.transpose(1, 2).reshape(batch, positions, dim))
        return projected


def attend(queries: Tensor, keys: Tensor, values: Tensor, visible: Tensor | None = None) -> Tensor:
    """Scaled dot-product attention written out: softmax(Q K^T / sqrt(D/H)) V, the formula that the fused one computes.

    Args:
        queries: (B, H, T, D/H).
        keys: (B, H, T, D/H).
        values: (B, H, T, D/H).
        visible: bool, broadcast to (B, H, T, T), true where a query may look at a key.

    Returns:
        (B, H, T, D/H).
    """
    scores = queries @ keys.transpose(-2, -1) / math.sqrt(queries.shape[-1])
    if visible is not None:
        scores = scores.masked_fill(~visible, -torch.inf)
    return scores.softmax(dim=-1) @ values
