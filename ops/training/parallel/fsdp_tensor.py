"""Both at once: groups of processes that divide matrices, and among the groups fully sharded data parallelism."""

from __future__ import annotations

from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh

from ops.errors import ConfigError
from ops.training.distributed import Group
from ops.training.loader import Batch
from ops.training.parallel.base import Loss
from ops.training.parallel.fsdp import shard_blocks
from ops.training.parallel.tensor import TensorParallel, divide


class FsdpTensor(TensorParallel):
    """Neighbours (by rank) divide each matrix; those of the same place in their groups shard what each has of it."""

    def __init__(self, group: Group, tensor: int) -> None:
        """Nothing is shared out yet.

        Args:
            group: all processes.
            tensor: how many divide a matrix.

        Raises:
            ConfigError: that does not divide the number of processes.
        """
        super().__init__(group)
        if group.world % tensor:
            raise ConfigError(
                f"{group.world} processes are no groups of {tensor}", where="training.parallel.tensor", hint="change it"
            )
        self._tensor = tensor

    @property
    def part(self) -> tuple[int, int]:
        """Each group has its own part."""
        return self.group.rank // self._tensor, self.group.world // self._tensor

    @property
    def stream(self) -> int:
        """All of a group drop the same values."""
        return self.part[0]

    @property
    def speaks(self) -> bool:
        """The first of each group."""
        return self.group.rank % self._tensor == 0

    @property
    def sharers(self) -> int:
        """Those of a group."""
        return self._tensor

    def prepare(self, model: nn.Module) -> None:
        """Divide the matrices, then shard the blocks.

        Raises:
            ConfigError: the matrices cannot be divided.
        """
        shape = (self.part[1], self._tensor)
        mesh = init_device_mesh(self.group.device.type, shape, mesh_dim_names=("data", "tensor"))
        self._neighbours: distributed.ProcessGroup = mesh.get_group("tensor")
        self.division = divide(model, mesh["tensor"])
        shard_blocks(model, mesh["data"])
        self.take(model)

    @property
    def neighbours(self) -> distributed.ProcessGroup:
        """Those of a group."""
        return self._neighbours

    def backward(self, batch: Batch, loss: Loss, scale: float) -> Tensor:
        """As in one process; FSDP divides by the number of parts, which is multiplied in before."""
        return super().backward(batch, loss, scale * self.part[1])
