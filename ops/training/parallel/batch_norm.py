"""Batch normalisation over the batches of all processes, also on CPUs, where torch's own refuses."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import _BatchNorm


class SharedBatchNorm(nn.Module):
    """`nn.BatchNorm1d` to `3d` (Ioffe and Szegedy, 2015) of which the batch is that of all processes together.

    Mean and variance are sums over the processes, through which gradients flow back. Names of weights and buffers are
    those of the module it stands for, so that checkpoints fit both.

    Attributes:
        counts: whether this process's examples count, or one only stands in.
    """

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(self, norm: _BatchNorm, group: distributed.ProcessGroup | None = None) -> None:
        """Take over weights and buffers.

        Args:
            norm: what it stands for.
            group: the processes whose batches are one; all by default.
        """
        super().__init__()
        self.epsilon, self.momentum, self.counts = norm.eps, norm.momentum, True
        self._group = group or distributed.group.WORLD
        self.weight, self.bias = norm.weight, norm.bias
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(norm, name))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) to the same; all processes call it together while they train."""
        shape, given = (1, -1, *(1 for _ in x.shape[2:])), x.dtype
        x = x.float() if given in (torch.bfloat16, torch.float16) else x  # sums and counts are too many for 16 bits
        if self.training or self.running_mean is None or self.running_var is None:
            mean, variance = self._moments(x)
        else:
            mean, variance = self.running_mean, self.running_var
        normed = (x - mean.view(shape)) * (variance + self.epsilon).rsqrt().view(shape)
        normed = normed if self.weight is None else normed * self.weight.view(shape) + self.bias.view(shape)
        return normed.to(given)

    def _moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (C,) of each channel over all processes; the running ones move towards them.

        Raises:
            ValueError: there is one value of each channel, whose variance says nothing.
        """
        over = (0, *range(2, x.ndim))
        counts = float(self.counts)
        size = x.new_tensor([counts * x.numel() / x.shape[1]])
        summed = self._total(torch.cat((x.sum(over) * counts, size)))
        count = summed[-1].detach()
        if float(count) < 2:
            raise ValueError("batch normalisation needs two values of a channel at least to train")
        mean = summed[:-1] / count
        deviation = x - mean.view(1, -1, *(1 for _ in x.shape[2:]))
        variance = self._total(deviation.square().sum(over) * counts) / count
        self._watch(mean.detach(), variance.detach() * count / (count - 1))
        return mean, variance

    @torch.no_grad()
    def _watch(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)

    def _total(self, values: Tensor) -> Tensor:
        return cast("Tensor", all_reduce(values.contiguous(), group=self._group))  # type: ignore[no-untyped-call]


def share_batch_norms(model: nn.Module) -> list[SharedBatchNorm]:
    """Put a shared norm in the place of each batch norm of a model; returns them."""
    found = []
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, _BatchNorm):
                found.append(SharedBatchNorm(child))
                setattr(module, name, found[-1])
    return found
