"""A stack of blocks in which every position sees all others."""

from __future__ import annotations

from torch import Tensor, nn

from ops.nn.anatomy import Anatomy
from ops.nn.block import Block, carried, start
from ops.nn.norms import make_norm


class Encoder(nn.Module):
    """Blocks one after the other and, where their norms are in front, a last one."""

    def __init__(self, anatomy: Anatomy) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(anatomy, number=number) for number in range(anatomy.depth))
        pre = anatomy.norm_place == "pre"
        self.norm = make_norm(anatomy.norm, anatomy.dim, anatomy.bias) if pre else nn.Identity()
        start(self, anatomy)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, D) to (B, T, D); mask (B, T) as in `Attention`."""
        x = first = carried(x)
        for block in self.blocks:
            x = block(x, mask, first=first)
        normed: Tensor = self.norm(x)
        return normed
