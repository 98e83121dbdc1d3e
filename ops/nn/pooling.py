"""How the positions of an example become one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MeanPooling(nn.Module):
    """The mean of the positions that are there."""

    extra = 0
    """Positions that it needs beside the example's own."""

    def prepare(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """x and mask as they are."""
        return x, mask

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, D) to (B, D); mask (B, T) with at least one true in each row."""
        if mask is None:
            return x.mean(dim=1)
        weights = mask.to(x.dtype).unsqueeze(2)
        return (x * weights).sum(dim=1) / weights.sum(dim=1)


class ClassTokenPooling(nn.Module):
    """What one extra, trained position in front has gathered (Devlin et al., 2019)."""

    extra = 1
    """Positions that it needs beside the example's own."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.empty(dim))
        nn.init.normal_(self.token, std=0.02)

    def prepare(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Put the token in front: (B, T, D) to (B, T + 1, D), and the same for the mask (B, T)."""
        front = self.token.expand(x.shape[0], 1, -1)
        seen = None if mask is None else torch.cat((mask.new_ones(x.shape[0], 1), mask), dim=1)
        return torch.cat((front, x), dim=1), seen

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T + 1, D) to (B, D)."""
        return x[:, 0]


def make_pooling(kind: str, dim: int) -> MeanPooling | ClassTokenPooling:
    """The pooling of that kind: `mean` or `cls`."""
    return ClassTokenPooling(dim) if kind == "cls" else MeanPooling()
