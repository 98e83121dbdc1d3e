"""Normalisation from first principles, with gradients written out, and the torch modules that models use by default.

Each norm brings values x to mean zero and variance one over some set S of m values, then scales and shifts them:

    x̂ = (x - μ) / sqrt(σ² + ε),   y = γ x̂ + β

With g = γ ∂L/∂y the gradient that reaches x through x̂ is (Ioffe and Szegedy, 2015, section 3)

    ∂L/∂x = (g - mean_S(g) - x̂ mean_S(g x̂)) / sqrt(σ² + ε)

which is the same formula for every set: the values of one position (LayerNorm; Ba et al., 2016), or those of one
channel in the whole batch (BatchNorm). RMSNorm (Zhang and Sennrich, 2019) leaves μ out, and with it mean_S(g).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn import functional

EPSILON = 1e-5
"""Added to variances, so that nothing is divided by zero."""


class Normalise(Function):
    """x̂ of x over some of its dimensions, with the gradient above."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, over: tuple[int, ...], centred: bool, epsilon: float) -> Tensor:
        """x less its mean over those dimensions, if `centred`, divided by its deviation there; the shape of x."""
        deviation = x - x.mean(over, keepdim=True) if centred else x
        scale = (deviation.square().mean(over, keepdim=True) + epsilon).rsqrt()
        normed = deviation * scale
        ctx.save_for_backward(normed, scale)
        ctx.over, ctx.centred = over, centred
        return normed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        """∂L/∂x of ∂L/∂x̂."""
        normed, scale = ctx.saved_tensors
        along = normed * (gradient * normed).mean(ctx.over, keepdim=True)
        if ctx.centred:
            along = along + gradient.mean(ctx.over, keepdim=True)
        return (gradient - along) * scale, None, None, None


def normalise(x: Tensor, over: tuple[int, ...], centred: bool = True, epsilon: float = EPSILON) -> Tensor:
    """x̂ of x, any shape, over the dimensions `over`."""
    normed: Tensor = Normalise.apply(x, over, centred, epsilon)  # type: ignore[no-untyped-call]
    return normed


class UnitRms(Function):
    """x̂ of x over its last dimension, not centred: `Normalise` in fewer passes, for CPUs, where torch has no kernel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, epsilon: float) -> Tensor:
        """x over its root mean square; the shape of x."""
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        scale = length.square().mul_(1.0 / x.shape[-1]).add_(epsilon).rsqrt_()
        normed: Tensor = x * scale
        ctx.save_for_backward(normed, scale)
        return normed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """∂L/∂x of ∂L/∂x̂."""
        normed, scale = ctx.saved_tensors
        mean = (gradient * normed).mean(-1, keepdim=True)
        across: Tensor = torch.addcmul(gradient, normed, mean, value=-1.0)
        return across.mul_(scale), None


class LayerNorm(nn.Module):
    """Each position by its own mean and variance (Ba et al., 2016): what `nn.LayerNorm` computes by one kernel."""

    def __init__(self, dim: int, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        scaled = self.weight * normalise(x, (-1,))
        return scaled if self.bias is None else scaled + self.bias


class RMSNorm(nn.Module):
    """Each position by its own root mean square (Zhang and Sennrich, 2019): what `nn.RMSNorm` computes."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        if _learns_on_cpu(x):
            return self.weight * unit_rms(x)
        return functional.rms_norm(x, self.weight.shape, self.weight)


class BatchNorm(nn.Module):
    """Each channel by its mean and variance in the batch (Ioffe and Szegedy, 2015); running ones when not training.

    The running mean and variance move by `momentum` towards those of each batch; of the variance the unbiased estimate,
    with m - 1, is kept (algorithm 2 of the paper), while the batch itself is divided by the one with m. What
    `nn.BatchNorm1d` to `nn.BatchNorm3d` compute.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, channels: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) to the same; in training there must be two values of a channel at least.

        Raises:
            ValueError: there is one value of each channel, whose variance says nothing.
        """
        shape = (1, -1, *(1 for _ in x.shape[2:]))
        if self.training:
            over = (0, *range(2, x.ndim))
            self._watch(x.detach(), over)
            normed = normalise(x, over)
        else:
            scale = (self.running_var + EPSILON).rsqrt()
            normed = (x - self.running_mean.view(shape)) * scale.view(shape)
        return self.weight.view(shape) * normed + self.bias.view(shape)

    def _watch(self, x: Tensor, over: tuple[int, ...]) -> None:
        """Move the running mean and variance towards those of x."""
        if x.numel() == x.shape[1]:
            raise ValueError("batch normalisation needs two values of a channel at least to train")
        self.running_mean.lerp_(x.mean(over), self.momentum)
        self.running_var.lerp_(x.var(over), self.momentum)
        self.num_batches_tracked += 1


def make_norm(kind: str, dim: int, bias: bool = True) -> nn.Module:
    """The norm of that kind over the last dimension, D: `layer_norm` (with a constant or not) or `rms_norm`.

    LayerNorm is torch's module, which is the written-out one above by fewer kernels.
    """
    return RMSNorm(dim) if kind == "rms_norm" else nn.LayerNorm(dim, bias=bias)


def unit_rms(x: Tensor) -> Tensor:
    """(..., D) to (..., D) with a root mean square of one: RMSNorm without a gain."""
    epsilon = torch.finfo(x.dtype).eps
    if _learns_on_cpu(x):
        normed: Tensor = UnitRms.apply(x, epsilon)  # type: ignore[no-untyped-call]
        return normed
    return functional.rms_norm(x, (x.shape[-1],), eps=epsilon)


def _learns_on_cpu(x: Tensor) -> bool:
    """Whether gradients of x are wanted where torch makes an RMSNorm of many kernels, each a pass over memory."""
    return x.requires_grad and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
