"""Fully sharded data parallelism: weights, gradients and the optimisers' state in pieces, a part of each batch each."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard

from ops.training.loader import Batch
from ops.training.parallel.base import Loss
from ops.training.parallel.sharded import Sharded


class Fsdp(Sharded):
    """ZeRO-3 (Rajbhandari et al., 2020) by torch's `fully_shard`.

    A block's weights are gathered before it computes and let go after it; its gradients are added up over the processes
    and each keeps its piece.
    """

    @property
    def part(self) -> tuple[int, int]:
        """Every process has its own part."""
        return self.group.rank, self.group.world

    def prepare(self, model: nn.Module) -> None:
        """Shard each block of the model, and what is outside of blocks."""
        shard_blocks(model, init_device_mesh(self.group.device.type, (self.group.world,)))
        self.take(model)

    def backward(self, batch: Batch, loss: Loss, scale: float) -> Tensor:
        """As in one process; FSDP divides by the number of processes, which is multiplied in before."""
        return super().backward(batch, loss, scale * self.group.world)


def shard_blocks(model: nn.Module, mesh: DeviceMesh) -> None:
    """Shard the blocks of each list of blocks one by one, and the rest of the model as one piece more."""
    for module in model.modules():
        if isinstance(module, nn.ModuleList):
            for block in module:
                fully_shard(block, mesh=mesh)
    # What is outside of blocks would else stay whole from one forward pass to the next backward one.
    fully_shard(model, mesh=mesh, reshard_after_forward=True)
