"""A stack of blocks."""

from __future__ import annotations

import math

from torch import Tensor, nn

from ops.nn.block import Block


class Encoder(nn.Module):
    """Blocks one after the other and a last normalisation."""

    def __init__(self, dim: int, depth: int, heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        blocks = [Block(dim, heads, inner, dropout) for _ in range(depth)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(dim)
        self.apply(_start_linear)
        # What the blocks add up to should not grow with their number (Radford et al., 2019).
        for block in blocks:
            for projection in (block.attention.project_out, block.feed_forward.project_out):
                projection.weight.data.mul_(1.0 / math.sqrt(2 * depth))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, D) to (B, T, D); mask (B, T) as in `Attention`."""
        for block in self.blocks:
            x = block(x, mask)
        normed: Tensor = self.norm(x)
        return normed


def _start_linear(module: nn.Module) -> None:
    """Weights that keep the variance (LeCun et al., 1998), biases of zero."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=1.0 / math.sqrt(module.in_features))
        nn.init.zeros_(module.bias)
