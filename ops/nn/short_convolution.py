"""A convolution over the last few positions, each dimension for itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ops.nn.cache import LayerCache


class ShortConvolution(nn.Module):
    """y_t = x_t + sum over k < W of w_k * x_(t-k), with a weight for each k and dimension, and zeros before the first.

    In front of attention and feed-forward it lets a layer see what came just before without attention's having to find
    it (So et al., 2021, Primer; Allen-Zhu, 2025, "Canon layers"): W · D weights, and no matrix product. The weights
    start at zero, where y is x.
    """

    def __init__(self, dim: int, width: int) -> None:
        """Over the last `width` positions of vectors of `dim`."""
        super().__init__()
        self.width = width
        self.weight = nn.Parameter(torch.zeros(width, 1, dim))  # three dimensions: no matrix for Muon

    def forward(self, x: Tensor, cache: LayerCache | None = None, place: str = "") -> Tensor:
        """(B, T, D) to (B, T, D).

        Args:
            x: (B, T, D).
            cache: what was read before, and is to be read by what follows.
            place: which of a block's convolutions this is.
        """
        length, before = x.shape[1], self.width - 1
        joined = functional.pad(x, (0, 0, before, 0)) if cache is None else cache.behind(place, x, before)
        if length == 1:  # one product, where a text is written token by token
            return x + (self.weight[:, 0].flip(0) * joined).sum(dim=1, keepdim=True)
        found = x
        for k in range(self.width):
            found = found + self.weight[k] * joined[:, before - k : before - k + length]
        return found
