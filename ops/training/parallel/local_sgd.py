"""Local SGD: every process goes its own way for some steps, then all meet in the middle."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ops.training.distributed import Group
from ops.training.loader import Batch
from ops.training.parallel.base import Loss, Strategy


class LocalSgd(Strategy):
    """Weights are averaged every few steps (Stich, 2019; Lin et al., 2020); gradients are not shared.

    This is another algorithm than training in one process, and gives other weights. Each process steps with the mean
    gradient of its own part of the batch, clipped by its own length. Whenever weights are judged or stored, they and
    the optimisers' states are averaged too, so that all processes go on from what was stored.
    """

    def __init__(self, group: Group, every: int) -> None:
        """Nothing is shared out yet.

        Args:
            group: all processes.
            every: steps from one average to the next.
        """
        super().__init__(group)
        self._every = every

    @property
    def part(self) -> tuple[int, int]:
        """Every process has its own part."""
        return self.group.rank, self.group.world

    def backward(self, batch: Batch, loss: Loss, scale: float) -> Tensor:
        """As in one process, as if the global batch were as many of this process's parts."""
        return super().backward(batch, loss, scale * self.group.world)

    def clip(self, model: nn.Module, longest: float | None, largest: float | None = None) -> float:
        """Each process clips by its own length; returns the root of the mean of their squares, the same in all."""
        own = super().clip(model, longest, largest)
        squares = self.group.total(torch.tensor(own**2, dtype=torch.float64, device=self.group.sums))
        return math.sqrt(float(squares) / self.group.world)

    def stepped(self, model: nn.Module, step: int) -> None:
        """Average the weights after every so many steps."""
        if step % self._every == 0:
            self.settle(dict(model.named_parameters()))

    @torch.no_grad()
    def settle(self, *tensors: Mapping[str, Tensor]) -> None:
        """Average floats over the processes, in place."""
        floats = [value for each in tensors for _, value in sorted(each.items()) if value.is_floating_point()]
        for dtype in sorted({value.dtype for value in floats}, key=str):
            mine = [value for value in floats if value.dtype == dtype]
            flat = self.group.total(torch.cat([value.reshape(-1).to(self.group.device) for value in mine]))
            means = torch.split(flat / self.group.world, [value.numel() for value in mine])
            for value, mean in zip(mine, means, strict=True):
                value.copy_(mean.view_as(value))
