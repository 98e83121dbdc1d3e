"""A convolution over the last few positions, each dimension for itself."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

from ops.nn.cache import LayerCache


class Convolved(Function):
    """The sum that `ShortConvolution` is, with its gradients: one pass over memory for each k, where torch makes four.

    ∂L/∂x_t = g_t + sum over k of w_k * g_(t+k), and ∂L/∂w_k = sum over examples and t of g_t * x_(t-k).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        """x (B, T, D) and weights (W, 1, D) to (B, T, D)."""
        ctx.save_for_backward(x, weight)
        found = torch.addcmul(x, x, weight[0])
        for k in range(1, min(len(weight), x.shape[1])):
            found[:, k:].addcmul_(x[:, :-k], weight[k])
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """∂L/∂x and ∂L/∂w of ∂L/∂y."""
        x, weight = ctx.saved_tensors
        length = x.shape[1]
        back, weights = torch.addcmul(gradient, gradient, weight[0]), torch.zeros_like(weight)
        weights[0, 0] = (gradient * x).sum((0, 1))
        for k in range(1, min(len(weight), length)):
            weights[k, 0] = (gradient[:, k:] * x[:, : length - k]).sum((0, 1))
            back[:, : length - k].addcmul_(gradient[:, k:], weight[k])
        return back, weights


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
        if cache is None and x.requires_grad:
            convolved: Tensor = Convolved.apply(x, self.weight)  # type: ignore[no-untyped-call]
            return convolved
        length, before = x.shape[1], self.width - 1
        joined = functional.pad(x, (0, 0, before, 0)) if cache is None else cache.behind(place, x, before)
        if length == 1:  # one product, where a text is written token by token
            return x + (self.weight[:, 0].flip(0) * joined).sum(dim=1, keepdim=True)
        found = x
        for k in range(self.width):
            found = found + self.weight[k] * joined[:, before - k : before - k + length]
        return found
