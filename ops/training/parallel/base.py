"""What a strategy is: the way in which processes share a model and each batch. This base is for one process alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from ops.training.distributed import Group
from ops.training.loader import Batch

Loss = Callable[[Tensor, Batch], Tensor]
"""The sum of losses of what the model said of a batch, or of a part of it."""


class Strategy:
    """One process has the whole model and the whole of each batch; a subclass shares out one or both.

    The training loop knows of processes by this class alone, and the models know nothing of them. Every process calls
    the same methods in the same order.
    """

    def __init__(self, group: Group) -> None:
        self.group = group
        self._module: nn.Module = nn.Identity()
        self._value: Callable[[Loss, Batch], Tensor] = _value_of(self.forward)
        self.norms: list[Any] = []
        """The batch norms that the processes share."""

    @property
    def part(self) -> tuple[int, int]:
        """Which part of each global batch this process computes: its number, and how many parts there are."""
        return 0, 1

    @property
    def stream(self) -> int:
        """Which random numbers this process draws: processes that must drop the same values have the same stream."""
        return self.group.rank

    @property
    def speaks(self) -> bool:
        """Whether what this process finds of its part counts; one of those that share a part does."""
        return True

    @property
    def sharers(self) -> int:
        """How many processes share the work on a part."""
        return 1

    def prepare(self, model: nn.Module) -> None:
        """Take the model, and share it out where a subclass does; optimisers are made afterwards."""
        self._module = model

    def share_norms(self, model: nn.Module, wanted: bool) -> None:
        """Let the batch norms of a model, before it is prepared, look at the batch of all processes, if wanted."""
        if not wanted or self.part[1] == 1:
            return
        from ops.training.parallel.batch_norm import share_batch_norms

        self.norms = share_batch_norms(model)

    def steps(self, name: str) -> bool:
        """Whether this process's optimisers step the weight of that name."""
        return True

    def forward(self, inputs: tuple[Tensor, ...]) -> Tensor:
        """What the model says of this process's part of a batch; all processes call it together."""
        said: Tensor = self._module(*inputs)
        return said

    def backward(self, batch: Batch, loss: Loss, scale: float) -> Tensor:
        """Forward and backward pass of this process's part of a batch.

        Args:
            batch: this process's part.
            loss: the sum of losses, from what the model says of the part.
            scale: what the gradients of the sum over all parts are multiplied by.

        Returns:
            The sum of losses of this part; gradients are in the weights, added up over all parts.
        """
        for norm in self.norms:
            norm.counts = bool((batch.weights > 0).any())
        value = self._value(loss, batch)
        torch.autograd.backward(value * scale)
        return value.detach()

    def compile(self) -> None:
        """Let torch compile forward and backward pass in training, the loss included, at their first call."""
        self._value = torch.compile(_value_of(self.forward))

    def accumulating(self, last: bool) -> AbstractContextManager[None]:
        """Around the backward pass of one of several parts of a batch, whose gradients add up.

        Args:
            last: whether it is the last part, after which the gradients of all processes are needed.
        """
        return nullcontext()

    def clip(self, model: nn.Module, longest: float | None, largest: float | None = None) -> float:
        """Cut gradients' entries off at `largest`, and scale gradients that are longer than `longest` down to it.

        Returns:
            The length (2-norm) of all gradients before they were scaled.
        """
        if largest is not None:
            cut_off([weight.grad for weight in model.parameters() if weight.grad is not None], largest)
        return float(nn.utils.clip_grad_norm_(model.parameters(), longest or math.inf))

    def finite(self, model: nn.Module) -> bool:
        """Whether all weights and running values are numbers, in every process the same."""
        pieces = [self.piece(value) for value in model.state_dict().values() if value.is_floating_point()]
        own = all(bool(value.isfinite().all()) for value in pieces if not value.is_meta)
        return float(self.group.total(torch.tensor(float(not own), device=self.group.sums))) == 0.0

    def stepped(self, model: nn.Module, step: int) -> None:
        """Called after each step of the optimisers, and where one is left out, with the number of steps made."""

    def goes_on(self, step: int, left_out: Collection[int] = ()) -> None:
        """Called before training begins or goes on.

        Args:
            step: number of steps made.
            left_out: steps whose batches are left out.
        """

    def taken(self, step: int) -> int:
        """The step whose batch the gradients of the last `backward` are of; `step` itself where they come in order."""
        return step

    def close(self) -> None:
        """Called when training has ended in this process, in any way."""

    def spent(self) -> tuple[float, int]:
        """CPU-seconds and peak memory of processes that are no part of the group, so far."""
        return 0.0, 0

    def settle(self, *tensors: Mapping[str, Tensor]) -> None:
        """Called before weights are judged or stored, with these and what belongs to them: all processes agree."""

    def total(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all parts of a batch, in each process."""
        return self.group.total(values if self.speaks else torch.zeros_like(values))

    def agree(self, running: Sequence[Tensor], examples: int) -> None:
        """Give every process the same running values (BatchNorm's means and variances), each moved by its own part.

        What they come to is the mean over the parts, weighted by their examples; a part that only stands in counts
        nothing. Without it evaluation would depend on which process sees an example, and a resumed run would differ.

        Args:
            running: this process's values, changed in place.
            examples: examples that count in this process's part of the batch.
        """
        if self.part[1] == 1 or not running:
            return
        flat = torch.cat([values.to(self.group.sums, torch.float64).flatten() for values in running]) * examples
        sums = self.total(torch.cat((flat, flat.new_tensor([examples]))))
        means = torch.split(sums[:-1] / sums[-1], [values.numel() for values in running])
        for values, mean in zip(running, means, strict=True):
            values.copy_(mean.view_as(values))

    def whole(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Named tensors of weights as one process alone would have them; in the first process at least."""
        # In order of names: tensors read from a file come in another order in each process.
        return {name: self.merged(name, value) for name, value in sorted(tensors.items())}

    def whole_state(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The optimisers' state (`weight:state`) as one process alone would have it; in the first process at least."""
        return self.whole(tensors)

    def piece(self, value: Tensor) -> Tensor:
        """What this process holds of a weight or of its gradient, as a plain tensor."""
        return value

    def shape(self, name: str, value: Tensor) -> torch.Size:
        """The shape of the whole weight of which this process holds `value`."""
        return value.shape

    def merged(self, name: str, value: Tensor) -> Tensor:
        """One tensor of which this process may hold a piece, whole, by the name of its weight or state."""
        return value

    def load(self, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Put whole weights, as `whole` gives them, into the model."""
        model.load_state_dict(dict(weights))

    def share(self, name: str, value: Tensor, weight: Tensor) -> Tensor:
        """This process's share of a whole tensor of the optimisers' state that belongs to a weight.

        Args:
            name: the weight's.
            value: the tensor; one that has not the whole weight's shape is not shared out.
            weight: the weight as this process has it.
        """
        return value.to(weight.device, copy=True)


def cut_off(gradients: Sequence[Tensor], largest: float) -> None:
    """Cut entries off at `largest`, in place; infinite ones become no numbers, which the gradients' length shows."""
    for gradient in gradients:
        gradient.masked_fill_(gradient.isinf(), math.nan).clamp_(-largest, largest)


def _value_of(forward: Callable[[tuple[Tensor, ...]], Tensor]) -> Callable[[Loss, Batch], Tensor]:
    """The sum of losses of a batch, as one function, which can be compiled."""

    def value(loss: Loss, batch: Batch) -> Tensor:
        return loss(forward(batch.inputs), batch)

    return value
