"""A width inside feed-forward layers that does not divide by the number of processes, under tensor parallelism."""

from __future__ import annotations

from itertools import accumulate
from operator import mul

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Shard
from torch.distributed.tensor.parallel import RowwiseParallel


class UnevenRows(RowwiseParallel):
    """As `RowwiseParallel`, of which each process has as many inputs as `chunk` gives it: the last one has fewer."""

    def _apply(self, module: nn.Module, device_mesh: DeviceMesh) -> nn.Module:
        inputs = int(module.get_parameter("weight").shape[1])

        def enter(layer: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            # torch would take the whole for as many times what is here as there are processes.
            shape = torch.Size((*given[0].shape[:-1], inputs))
            stride = tuple(accumulate((1, *shape[:0:-1]), mul))[::-1]
            placements = [Shard(len(shape) - 1)]
            return (DTensor.from_local(given[0], device_mesh, placements, run_check=False, shape=shape, stride=stride),)

        module.register_forward_pre_hook(enter)
        return super()._apply(module, device_mesh)
