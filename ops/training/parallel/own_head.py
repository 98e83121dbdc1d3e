"""Heads of keys and values that several processes share under tensor parallelism: whole in each, which uses one."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Replicate
from torch.distributed.tensor.parallel import ParallelStyle


class OwnHead(ParallelStyle):
    """Of what a layer says, (..., K·D/H), this process goes on with one head's, (..., D/H).

    The gradient of what came in is added up over the processes, as in front of a divided layer. Those of the layer's
    weights are left in parts: each process has what its own heads of queries make of them.
    """

    def __init__(self, head: int, width: int) -> None:
        """The number of the head, and its width D/H."""
        super().__init__()
        self._start, self._width = head * width, width

    def _apply(self, module: nn.Module, device_mesh: DeviceMesh) -> nn.Module:
        def enter(layer: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(_summed_back(value, device_mesh) if value.is_floating_point() else value for value in given)

        def leave(layer: nn.Module, given: tuple[Any, ...], said: Tensor) -> Tensor:
            return said.narrow(-1, self._start, self._width)

        module.register_forward_pre_hook(enter)
        module.register_forward_hook(leave)
        return module


def _summed_back(value: Tensor, mesh: DeviceMesh) -> Tensor:
    """The value itself, whose gradient is the sum over the processes of the mesh."""
    whole = DTensor.from_local(value, mesh, [Replicate()], run_check=False)
    local: Tensor = whole.to_local(grad_placements=[Partial()])
    return local
