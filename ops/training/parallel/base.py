"""What a strategy is: the way in which processes share a model and each batch. This base is for one process alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from ops.training.distributed import Group

Loss = Callable[[Tensor], Tensor]
"""The sum of losses of what the model said."""


class Strategy:
    """One process has the whole model and the whole of each batch; a subclass shares out one or both.

    The training loop knows of processes by this class alone, and the models know nothing of them. Every process calls
    the same methods in the same order.
    """

    def __init__(self, group: Group) -> None:
        self.group = group
        self._module: nn.Module = nn.Identity()

    @property
    def part(self) -> tuple[int, int]:
        """Which part of each global batch this process computes: its number, and how many parts there are."""
        return 0, 1

    def prepare(self, model: nn.Module) -> None:
        """Take the model, and share it out where a subclass does; optimisers are made afterwards."""
        self._module = model

    def backward(self, inputs: tuple[Tensor, ...], loss: Loss, scale: float) -> Tensor:
        """Forward and backward pass of this process's part of a batch.

        Args:
            inputs: what the model's `forward` takes.
            loss: the sum of losses of the part, from what the model says.
            scale: what the gradients of the sum over all parts are multiplied by.

        Returns:
            The sum of losses of this part; gradients are in the weights, added up over all parts.
        """
        value = loss(self._module(*inputs))
        torch.autograd.backward(value * scale)
        return value.detach()

    def clip(self, model: nn.Module, longest: float | None, largest: float | None = None) -> float:
        """Cut gradients' entries off at `largest`, and scale gradients that are longer than `longest` down to it.

        Returns:
            The length (2-norm) of all gradients before they were scaled.
        """
        if largest is not None:
            nn.utils.clip_grad_value_(model.parameters(), largest)
        return float(nn.utils.clip_grad_norm_(model.parameters(), longest or math.inf))

    def total(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all parts of a batch, in each process."""
        return values

    def whole(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Named tensors of weights or of the optimisers' state as one process alone would have them."""
        return dict(tensors)
