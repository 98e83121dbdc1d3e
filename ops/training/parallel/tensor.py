"""Tensor parallelism: the matrices of each block are divided among the processes, by columns and then by rows."""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor.parallel import ColwiseParallel, ParallelStyle, RowwiseParallel, parallelize_module

from ops.errors import ConfigError
from ops.nn.attention import Attention
from ops.nn.decoder import Decoder
from ops.nn.feed_forward import FeedForward
from ops.nn.relations import DistanceBias, RelativePositions
from ops.training.distributed import Group
from ops.training.parallel.sharded import Sharded, local

Orders = dict[str, Tensor]
"""By name of a weight, the order in which its rows lie: process by process."""


class TensorParallel(Sharded):
    """Megatron's division (Shoeybi et al., 2019): each process has some heads, and some of the feed-forward's width.

    What is outside of these matrices (norms, embeddings, the head, what attention knows of distances) every process has
    whole. Every process computes the same batch, and ends each part of a block with the sum over all.
    """

    def __init__(self, group: Group) -> None:
        super().__init__(group)
        self.orders: Orders = {}

    @property
    def stream(self) -> int:
        """All drop the same values."""
        return 0

    @property
    def speaks(self) -> bool:
        """The first process, since all find the same."""
        return self.group.first

    @property
    def sharers(self) -> int:
        """All."""
        return self.group.world

    def prepare(self, model: nn.Module) -> None:
        """Divide the matrices of the model's blocks.

        Raises:
            ConfigError: they cannot be divided by the number of processes.
        """
        self.orders = divide(model, init_device_mesh(self.group.device.type, (self.group.world,)))
        self.take(model)

    def clip(self, model: nn.Module, longest: float | None, largest: float | None = None) -> float:
        """As in one process, once gradients of tables of distances are added up: each has those of its heads."""
        for module in model.modules():
            if isinstance(module, RelativePositions | DistanceBias) and module.table.grad is not None:
                distributed.all_reduce(local(module.table.grad), group=self.neighbours)
        return super().clip(model, longest, largest)

    @property
    def neighbours(self) -> distributed.ProcessGroup | None:
        """Those that divide a matrix; None for all."""
        return None

    def merged(self, name: str, value: Tensor) -> Tensor:
        """The pieces put together, rows in the model's own order."""
        full, order = super().merged(name, value), self.orders.get(name.partition(":")[0])
        return full if order is None or not full.ndim else full[order.argsort().to(full.device)]

    def share(self, name: str, value: Tensor, weight: Tensor) -> Tensor:
        """The piece of the tensor that lies where the weight's does."""
        order = self.orders.get(name)
        return super().share(name, value if order is None or not value.ndim else value[order.to(value.device)], weight)


def divide(model: nn.Module, mesh: DeviceMesh) -> Orders:
    """Divide the attention and feed-forward layers of a model among the processes of a mesh of one dimension.

    Returns:
        The weights whose rows were put in another order before.

    Raises:
        ConfigError: a layer's heads or width cannot be divided, or there is none.
    """
    plan: dict[str, ParallelStyle] = {}
    orders: Orders = {}
    for name, module in model.named_modules():
        if isinstance(module, Attention):
            orders |= _attention(name, module, mesh, plan)
        elif isinstance(module, FeedForward):
            _check(name, "inside the feed-forward layers", module.project_in.out_features, mesh.size())
            plan[f"{name}.project_out"] = RowwiseParallel()
            plan[f"{name}.project_in"] = ColwiseParallel()
            if module.gate is not None:
                plan[f"{name}.gate"] = ColwiseParallel()
        elif isinstance(module, Decoder):  # its value embeddings have a column for each of the heads' values
            plan |= {f"{name}.values.{number}": ColwiseParallel() for number in module.values}
    if not plan:
        raise ConfigError(
            "the model has neither attention nor feed-forward layers to divide",
            where="training.strategy",
            hint="say strategy: ddp or fsdp",
        )
    with torch.no_grad():
        for name, order in orders.items():
            weight = model.get_parameter(name)
            weight.copy_(weight[order.to(weight.device)])
    parallelize_module(model, mesh, plan)
    return orders


def _attention(name: str, module: Attention, mesh: DeviceMesh, plan: dict[str, ParallelStyle]) -> Orders:
    size = mesh.size()
    _check(name, "of heads", module.heads, size)
    _check(name, "of heads of keys and values", module.kv_heads, size)
    if isinstance(module.relation, DistanceBias):
        first, heads = mesh.get_local_rank() * module.heads // size, module.heads // size
        module.relation.told = slice(first, first + heads)
    plan[f"{name}.project_out"] = RowwiseParallel()
    orders: Orders = {}
    if module.joint:
        plan[f"{name}.project_in"] = ColwiseParallel()
        order = _by_heads(module, size)
        orders = {f"{name}.project_in.{key}": order for key, _ in module.project_in.named_parameters()}
    else:
        plan |= {f"{name}.{part}": ColwiseParallel() for part in ("queries", "keys", "values")}
    module.heads, module.kv_heads = module.heads // size, module.kv_heads // size
    return orders


def _by_heads(module: Attention, size: int) -> Tensor:
    """The rows of the joint projection, queries then keys then values, so that each process gets its own heads'."""
    heads = torch.tensor([module.heads, module.kv_heads, module.kv_heads]) * module.head_dim
    kinds = torch.split(torch.arange(int(heads.sum())), heads.tolist())
    return torch.cat([kind.chunk(size)[process] for process in range(size) for kind in kinds])


def _check(name: str, what: str, count: int, size: int) -> None:
    if count % size:
        raise ConfigError(
            f"{name} has a number {what} ({count}) that {size} processes cannot divide",
            where="training.strategy",
            hint="change the model or the number of processes that share a matrix",
        )
