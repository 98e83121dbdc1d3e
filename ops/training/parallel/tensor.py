"""Tensor parallelism: the matrices of each block are divided among the processes, by columns and then by rows."""

from __future__ import annotations

from dataclasses import dataclass, field

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
from ops.training.parallel.checks import fills
from ops.training.parallel.own_head import OwnHead
from ops.training.parallel.sharded import Sharded, local
from ops.training.parallel.uneven_rows import UnevenRows

Orders = dict[str, Tensor]
"""By name of a weight, the order in which its rows lie: process by process."""


@dataclass(frozen=True)
class Division:
    """How a model is divided.

    Attributes:
        plan: the style of each layer that is not left as it is, by its name.
        orders: of weights whose rows were put in another order before.
        partial: names of weights that every process has whole, and of whose gradients it has what its own heads make.
    """

    plan: dict[str, ParallelStyle] = field(default_factory=dict)
    orders: Orders = field(default_factory=dict)
    partial: list[str] = field(default_factory=list)


class TensorParallel(Sharded):
    """Megatron's division (Shoeybi et al., 2019): each process has some heads, and some of the feed-forward's width.

    What is outside of these matrices (norms, embeddings, the head, what attention knows of distances) every process has
    whole; keys and values too, where they have fewer heads than there are processes. Every process computes the same
    batch, and ends each part of a block with the sum over all.
    """

    def __init__(self, group: Group) -> None:
        super().__init__(group)
        self.division = Division()

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
        self.division = divide(model, init_device_mesh(self.group.device.type, (self.group.world,)))
        self.take(model)

    def clip(self, model: nn.Module, longest: float | None, largest: float | None = None) -> float:
        """As in one process, once gradients are added up of which each process has those of its heads."""
        for name in self.division.partial:
            if (gradient := model.get_parameter(name).grad) is not None:
                distributed.all_reduce(local(gradient), group=self.neighbours)
        return super().clip(model, longest, largest)

    @property
    def neighbours(self) -> distributed.ProcessGroup | None:
        """Those that divide a matrix; None for all."""
        return None

    def merged(self, name: str, value: Tensor) -> Tensor:
        """The pieces put together, rows in the model's own order."""
        full, order = super().merged(name, value), self.division.orders.get(name.partition(":")[0])
        return full if order is None or not full.ndim else full[order.argsort().to(full.device)]

    def share(self, name: str, value: Tensor, weight: Tensor) -> Tensor:
        """The piece of the tensor that lies where the weight's does."""
        order = self.division.orders.get(name)
        return super().share(name, value if order is None or not value.ndim else value[order.to(value.device)], weight)


def divide(model: nn.Module, mesh: DeviceMesh) -> Division:
    """Divide the attention and feed-forward layers of a model among the processes of a mesh of one dimension.

    Raises:
        ConfigError: a layer's heads or width cannot be divided, or there is none.
    """
    division = Division()
    plan, orders = division.plan, division.orders
    for name, module in model.named_modules():
        if isinstance(module, Attention):
            _attention(name, module, mesh, division)
        elif isinstance(module, FeedForward):
            width = module.project_in.out_features
            if not fills(width, mesh.size()):
                _refuse(name, "inside the feed-forward layers", width, mesh.size())
            plan[f"{name}.project_out"] = RowwiseParallel() if width % mesh.size() == 0 else UnevenRows()
            plan[f"{name}.project_in"] = ColwiseParallel()
            if module.gate is not None:
                plan[f"{name}.gate"] = ColwiseParallel()
        elif isinstance(module, Decoder):
            _values(name, module, mesh, division)
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
    return division


def _attention(name: str, module: Attention, mesh: DeviceMesh, division: Division) -> None:
    size, plan = mesh.size(), division.plan
    _check(name, "of heads", module.heads, size)
    shared = _shared(module.kv_heads, size) and not module.joint
    if not shared:
        _check(name, "of heads of keys and values", module.kv_heads, size)
    if isinstance(module.relation, DistanceBias):
        first, heads = mesh.get_local_rank() * module.heads // size, module.heads // size
        module.relation.told = slice(first, first + heads)
    if isinstance(module.relation, DistanceBias | RelativePositions):
        division.partial.append(f"{name}.relation.table")
    plan[f"{name}.project_out"] = RowwiseParallel()
    if module.joint:
        plan[f"{name}.project_in"] = ColwiseParallel()
        order = _by_heads(module, size)
        division.orders.update({f"{name}.project_in.{key}": order for key, _ in module.project_in.named_parameters()})
    else:
        plan[f"{name}.queries"] = ColwiseParallel()
        for part in ("keys", "values"):
            _by_head(f"{name}.{part}", getattr(module, part), module, mesh, division)
    module.heads, module.kv_heads = module.heads // size, max(1, module.kv_heads // size)


def _values(name: str, module: Decoder, mesh: DeviceMesh, division: Division) -> None:
    """Value embeddings, which have a column for each of the heads' values."""
    for number, table in module.values.items():
        attention = module.blocks[int(number)].get_submodule("attention")
        if isinstance(attention, Attention):
            _by_head(f"{name}.values.{number}", table, attention, mesh, division)


def _by_head(name: str, layer: nn.Module, module: Attention, mesh: DeviceMesh, division: Division) -> None:
    """Give each process its heads of the keys or values that a layer makes; of fewer than there are processes, one."""
    if not _shared(module.kv_heads, mesh.size()):
        division.plan[name] = ColwiseParallel()
        return
    division.plan[name] = OwnHead(mesh.get_local_rank() * module.kv_heads // mesh.size(), module.head_dim)
    division.partial.extend(f"{name}.{key}" for key, _ in layer.named_parameters())


def _shared(heads: int, size: int) -> bool:
    """Whether each of so many heads of keys and values serves several processes."""
    return heads < size and size % heads == 0


def _by_heads(module: Attention, size: int) -> Tensor:
    """The rows of the joint projection, queries then keys then values, so that each process gets its own heads'."""
    heads = torch.tensor([module.heads, module.kv_heads, module.kv_heads]) * module.head_dim
    kinds = torch.split(torch.arange(int(heads.sum())), heads.tolist())
    return torch.cat([kind.chunk(size)[process] for process in range(size) for kind in kinds])


def _check(name: str, what: str, count: int, size: int) -> None:
    if count % size:
        _refuse(name, what, count, size)


def _refuse(name: str, what: str, count: int, size: int) -> None:
    raise ConfigError(
        f"{name} has a number {what} ({count}) that {size} processes cannot divide",
        where="training.strategy",
        hint="change the model or the number of processes that share a matrix",
    )
