"""What strategies have in common that keep each weight in pieces (`DTensor`): norms, whole tensors, and loading."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Placement

from ops.training.distributed import Group
from ops.training.parallel.base import Strategy, cut_off

Layout = tuple[DeviceMesh, tuple[Placement, ...]]
"""Which processes hold pieces, and which pieces."""


class Sharded(Strategy):
    """Weights, gradients and the optimisers' state are in pieces; a subclass says how.

    Outside of the model pieces are plain tensors, known by the name of their weight.
    """

    def __init__(self, group: Group) -> None:
        super().__init__(group)
        self._weights: dict[str, DTensor] = {}

    def take(self, model: nn.Module) -> None:
        """Take the model whose weights are in pieces by now."""
        self._module = model
        self._weights = {name: value for name, value in model.state_dict().items() if isinstance(value, DTensor)}

    def piece(self, value: Tensor) -> Tensor:
        """The piece that this process holds."""
        return local(value)

    def shape(self, name: str, value: Tensor) -> torch.Size:
        """The whole weight's."""
        weight = self._weights.get(name)
        return value.shape if weight is None else weight.shape

    def merged(self, name: str, value: Tensor) -> Tensor:
        """The pieces put together, in every process."""
        weight = self._weights.get(name.partition(":")[0])
        if weight is None or local(value).shape != local(weight).shape:
            return value
        full: Tensor = self._wrapped(local(value), weight).full_tensor()
        return full

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
                local(value).copy_(self.share(name, weights[name], local(value)))

    def share(self, name: str, value: Tensor, weight: Tensor) -> Tensor:
        """The piece of the tensor that lies where the weight's does."""
        whole, piece = self._weights.get(name), value
        if whole is not None and value.shape == whole.shape:
            # The last dimension of a mesh divides first; see `fsdp_tensor`.
            for dimension in reversed(range(whole.device_mesh.ndim)):
                placement, mesh = whole.placements[dimension], whole.device_mesh
                if not placement.is_replicate():
                    place = mesh.get_local_rank(dimension)
                    piece = _chunk(piece, along(placement), mesh.size(dimension), place)
        return piece.to(weight.device).clone(memory_format=torch.contiguous_format)

    def clip(self, model: nn.Module, longest: float | None, largest: float | None = None) -> float:
        """As in one process; the squares of pieces are added up over the processes that hold them."""
        gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
        if largest is not None:
            cut_off([local(gradient) for gradient in gradients], largest)
        norm = math.sqrt(float(square_sum(gradients)))
        if longest is not None and not norm <= longest:
            factor = longest / (norm + 1e-6)  # as torch.nn.utils.clip_grad_norm_
            for gradient in gradients:
                local(gradient).mul_(factor)
        return norm

    @staticmethod
    def _wrapped(value: Tensor, weight: DTensor) -> DTensor:
        return DTensor.from_local(
            value, weight.device_mesh, weight.placements, run_check=False, shape=weight.shape, stride=weight.stride()
        )


def local(value: Tensor) -> Tensor:
    """The piece that this process holds; of a plain tensor itself."""
    return value.to_local() if isinstance(value, DTensor) else value


def along(placement: Placement) -> int:
    """The dimension of a tensor along which it is in pieces."""
    return int(getattr(placement, "dim"))  # noqa: B009 - of two classes that have nothing else in common


def square_sum(tensors: list[Tensor]) -> Tensor:
    """Sum of squares over all values of whole tensors, pieces of other processes included, in float64."""
    sums: dict[Layout | None, Tensor] = {}
    for value in tensors:
        layout = (value.device_mesh, value.placements) if isinstance(value, DTensor) else None
        square = local(value).detach().square().sum().double()
        sums[layout] = sums.get(layout, torch.zeros_like(square)) + square
    total = torch.zeros((), dtype=torch.float64)
    for layout, square in sums.items():  # in the order of the weights, the same in every process
        if layout is not None:
            mesh, placements = layout
            for dimension, placement in enumerate(placements):
                if not placement.is_replicate():
                    distributed.all_reduce(square, group=mesh.get_group(dimension))
        total = total.to(square) + square
    return total


def _chunk(value: Tensor, dimension: int, size: int, place: int) -> Tensor:
    """The part of one process along a dimension; of few rows the last processes have none."""
    parts = value.chunk(size, dimension)
    return parts[place] if place < len(parts) else value.narrow(dimension, 0, 0)
