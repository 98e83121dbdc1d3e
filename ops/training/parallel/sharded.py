"""What strategies have in common that keep each weight in pieces (`DTensor`): norms, whole tensors, and loading."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Placement, distribute_tensor

from ops.training.parallel.base import Strategy

Layout = tuple[DeviceMesh, tuple[Placement, ...]]
"""Which processes hold pieces, and which pieces."""


class Sharded(Strategy):
    """Weights, gradients and the optimisers' state are in pieces; a subclass says how."""

    def load(self, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Each process takes its pieces; no bytes travel.

        Raises:
            RuntimeError: they are the weights of another model.
        """
        own = model.state_dict()
        if own.keys() != weights.keys():
            raise RuntimeError(f"weights of another model: {sorted(own.keys() ^ weights.keys())[:3]}")
        with torch.no_grad():
            for name, value in own.items():
                piece = self.share(name, weights[name], value)
                local(value).copy_(local(piece))

    def merged(self, name: str, value: Tensor) -> Tensor:
        """The pieces put together, in every process."""
        return value.full_tensor() if isinstance(value, DTensor) else value

    def share(self, name: str, value: Tensor, weight: Tensor) -> Tensor:
        """The piece of the tensor that lies where the weight's does."""
        if not isinstance(weight, DTensor) or value.shape != weight.shape:
            return value.clone()
        return distribute_tensor(value.to(weight.device), weight.device_mesh, weight.placements, src_data_rank=None)

    def clip(self, model: nn.Module, longest: float | None, largest: float | None = None) -> float:
        """As in one process; the squares of pieces are added up over the processes that hold them."""
        gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
        if largest is not None:
            for gradient in gradients:
                local(gradient).clamp_(-largest, largest)
        norm = math.sqrt(float(square_sum(gradients)))
        if longest is not None and not norm <= longest:
            factor = longest / (norm + 1e-6)  # as torch.nn.utils.clip_grad_norm_
            for gradient in gradients:
                local(gradient).mul_(factor)
        return norm


def local(value: Tensor) -> Tensor:
    """The piece that this process holds; of a plain tensor itself."""
    return value.to_local() if isinstance(value, DTensor) else value


def square_sum(tensors: list[Tensor]) -> Tensor:
    """Sum of squares over all values of whole tensors, pieces of other processes included, in float64."""
    sums: dict[Layout | None, Tensor] = {}
    for value in tensors:
        layout = (value.device_mesh, value.placements) if isinstance(value, DTensor) else None
        square = local(value).detach().square().sum().double()
        sums[layout] = sums.get(layout, torch.zeros_like(square)) + square
    total = torch.zeros(())
    for layout, square in sums.items():  # in the order of the weights, the same in every process
        if layout is not None:
            mesh, placements = layout
            for dimension, placement in enumerate(placements):
                if placement.is_shard():
                    distributed.all_reduce(square, group=mesh.get_group(dimension))
        total = total.to(square) + square
    return total
