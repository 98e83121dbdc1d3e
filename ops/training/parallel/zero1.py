"""Data parallelism with the optimisers' state shared out: each process steps some whole weights and hands them on."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, distributed, nn

from ops.errors import ConfigError
from ops.training.distributed import Group
from ops.training.parallel.ddp import Ddp


class Zero1(Ddp):
    """ZeRO-1 (Rajbhandari et al., 2020) in whole weights, so that every optimiser works, also one of whole matrices.

    Gradients are averaged as with DDP. Each weight has one process that keeps its state and steps it.
    """

    def __init__(self, group: Group) -> None:
        super().__init__(group)
        self._owners: dict[str, int] = {}

    def prepare(self, model: nn.Module) -> None:
        """Choose who steps which weight.

        Raises:
            ConfigError: there are fewer weights than processes.
        """
        sizes = {name: weight.numel() for name, weight in model.named_parameters() if weight.requires_grad}
        if len(sizes) < self.group.world:
            raise ConfigError(
                f"the model has {len(sizes)} weights, {self.group.world} processes want one each",
                where="training.strategy",
                hint="lower launch.processes, or say strategy: ddp",
            )
        self._owners = share_out(sizes, self.group.world)
        super().prepare(model)

    def steps(self, name: str) -> bool:
        """Whether this process keeps the weight's state."""
        return self._owners[name] == self.group.rank

    @torch.no_grad()
    def stepped(self, model: nn.Module, step: int) -> None:
        """Hand on the weights that this process has stepped, and take the others."""
        for owner in range(self.group.world):
            weights = [weight for name, weight in model.named_parameters() if self._owners.get(name) == owner]
            flat = torch.cat([weight.reshape(-1) for weight in weights])
            distributed.broadcast(flat, src=owner)
            if owner != self.group.rank:
                pieces = torch.split(flat, [weight.numel() for weight in weights])
                for weight, piece in zip(weights, pieces, strict=True):
                    weight.copy_(piece.view_as(weight))

    def whole_state(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The states of all processes, in the first."""
        return self.group.union(tensors)


def share_out(sizes: Mapping[str, int], world: int) -> dict[str, int]:
    """Who has which weight: the largest first, each to the process that has the fewest values until then."""
    loads = [0] * world
    owners = {}
    for name, size in sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0])):
        owners[name] = min(range(world), key=loads.__getitem__)
        loads[owners[name]] += size
    return owners
