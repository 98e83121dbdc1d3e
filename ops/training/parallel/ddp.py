"""Data parallelism: each process has the whole model and a part of each batch, gradients are averaged (DDP)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from ops.training.distributed import Group
from ops.training.loader import Batch
from ops.training.parallel.base import Loss, Strategy

_KEPT: list[nn.Module] = []
"""DDP's modules are never freed. After another process has died, freeing one waits, with Python's lock held, for a
thread of gloo that waits for that lock (seen with torch 2.13)."""


class Ddp(Strategy):
    """Distributed data parallelism (Li et al., 2020), also with gradients that are told in fewer bits.

    What PowerSGD leaves out it remembers for the next step; that memory is not part of a checkpoint.
    """

    def __init__(self, group: Group, compression: str = "none") -> None:
        """Nothing is wrapped yet.

        Args:
            group: all processes.
            compression: how gradients are told: `none` (as they are), `fp16`, `bf16` or `powersgd`.
        """
        super().__init__(group)
        self._compression = compression

    @property
    def part(self) -> tuple[int, int]:
        """Every process has its own part."""
        return self.group.rank, self.group.world

    def prepare(self, model: nn.Module) -> None:
        """Wrap the model, so that each backward pass ends with averaged gradients."""
        # With `find_unused_parameters` DDP keeps its first division of the gradients into buckets. Else it divides
        # anew after one step, and a resumed run would add the same numbers in another order.
        self._wrapped = nn.parallel.DistributedDataParallel(
            model, forward_sync_buffers=False, find_unused_parameters=True
        )
        self._module = self._wrapped
        self._compress()
        _KEPT.append(self._module)

    def _compress(self) -> None:
        """Let gradients be told in fewer bits, or as products of thin matrices."""
        if self._compression == "none":
            return
        from ops.training.parallel.compression import PowerSgd, Told, in_bits

        types = {"fp16": torch.float16, "bf16": torch.bfloat16}
        hook: Told = in_bits(types[self._compression]) if self._compression in types else PowerSgd()
        # Without annotations, which DDP wants to be its own.
        self._wrapped.register_comm_hook(None, lambda state, bucket: hook(bucket))

    def accumulating(self, last: bool) -> AbstractContextManager[None]:
        """Only the last part's backward pass averages, all that was added up."""
        return nullcontext() if last else self._wrapped.no_sync()

    def backward(self, batch: Batch, loss: Loss, scale: float) -> Tensor:
        """As in one process; DDP divides by the number of processes, which is multiplied in before."""
        return super().backward(batch, loss, scale * self.group.world)
