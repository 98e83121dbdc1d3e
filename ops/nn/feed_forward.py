"""The position-wise feed-forward network (Vaswani et al., 2017, section 3.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional


class FeedForward(nn.Module):
    """Two linear layers with a non-linear function between, for each position alone.

    The function is ReLU (Nair and Hinton, 2010), GELU (Hendrycks and Gimpel, 2016), ReLU² (So et al., 2021), or SwiGLU
    (Shazeer, 2020): silu(x G) · (x W), which has a third layer, the gate G.
    """

    def __init__(self, dim: int, inner: int, activation: str = "gelu", bias: bool = True) -> None:
        super().__init__()
        self.gate = nn.Linear(dim, inner, bias=bias) if activation == "swiglu" else None
        self.project_in = nn.Linear(dim, inner, bias=bias)
        self.project_out = nn.Linear(inner, dim, bias=bias)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D), through width F."""
        if self.gate is None:
            inside = self.activation(self.project_in(x))
        else:
            inside = self.activation(self.gate(x)) * self.project_in(x)
        projected: Tensor = self.project_out(inside)
        return projected


class ReluSquared(Function):
    """max(0, x)² and its gradient 2 max(0, x): the same bits as by torch's own, in half as many passes over memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """(...) to (...)."""
        positive = functional.relu(x)
        ctx.save_for_backward(positive)
        return positive * positive

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """∂L/∂x of ∂L/∂y."""
        (positive,) = ctx.saved_tensors
        return torch.mul(gradient, positive).mul_(2.0)


def relu_squared(x: Tensor) -> Tensor:
    """max(0, x)²."""
    squared: Tensor = ReluSquared.apply(x) if x.requires_grad else functional.relu(x).square()  # type: ignore[no-untyped-call]
    return squared


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "gelu": functional.gelu,
    "relu2": relu_squared,
    "swiglu": functional.silu,
}
"""The function by its name; of SwiGLU that of the gate."""
