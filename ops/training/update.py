"""One update of the weights: gradients of a global batch, clipped, and a step of the optimisers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ops.tasks.base import Task
from ops.training.config import TrainingConfig
from ops.training.loader import Batch
from ops.training.micro_batches import parts
from ops.training.optimizer import Optimizers
from ops.training.parallel.base import Strategy
from ops.training.precision import LossScale
from ops.training.schedule import decay, momentum, rate


@dataclass(frozen=True)
class Gradients:
    """What the backward pass of a global batch came to, the same in every process.

    Attributes:
        loss: sum of losses over the global batch.
        norm: length of the gradients before they were clipped.
        stopping: whether any process was asked to stop.
        overflow: whether the gradients are too large for 16 bits, and the update is to be left out.
    """

    loss: float
    norm: float
    stopping: bool
    overflow: bool = False

    @property
    def usable(self) -> bool:
        """Whether training can go on from here."""
        return math.isfinite(self.loss) and (math.isfinite(self.norm) or self.overflow)


class Update:
    """Makes the updates of one model.

    Attributes:
        scale: what the loss is multiplied by in 16 bits.
    """

    def __init__(
        self,
        config: TrainingConfig,
        total: int,
        task: Task,
        model: nn.Module,
        optimizers: Optimizers,
        strategy: Strategy,
    ) -> None:
        """Nothing is computed yet.

        Args:
            config: the recipe's training.
            total: number of updates of the whole run.
            task: gives the loss.
            model: the network, as `strategy` has prepared it.
            optimizers: of its weights.
            strategy: how processes share the work.
        """
        self._config, self._total, self._task = config, total, task
        self._model, self._optimizers, self._strategy = model, optimizers, strategy
        self.scale = LossScale(config.precision)
        self._running = running_values(model)
        self._weights = list(model.parameters())  # found once: 1% of a small model's step

    def gradients(self, batch: Batch, stop: bool, micro_batch: int | None = None) -> Gradients:
        """Gradients of the mean loss of the global batch, in all processes; the weights stay as they are.

        Args:
            batch: this process's part.
            stop: whether this process is asked to stop.
            micro_batch: most examples that are computed at once; all by default.
        """
        for weight in self._weights:
            weight.grad = None
        strategy, group = self._strategy, self._strategy.group
        pieces = parts(batch.to(group.device), strategy.part[1], micro_batch)
        losses = []
        for number, piece in enumerate(pieces, 1):
            with strategy.accumulating(last=number == len(pieces)):
                losses.append(self._backward(piece))
        strategy.agree(self._running, int((batch.weights > 0).sum()))
        # Only now, so that a GPU need not wait for this process between parts.
        said = sum(map(float, losses)) if strategy.speaks else 0.0
        sums = group.total(torch.tensor([said, stop], dtype=torch.float64, device=group.sums)).tolist()
        self.scale.take_back(self._model)
        norm = strategy.clip(self._model, self._config.clip_norm, self._config.clip_value)
        overflow = math.isfinite(sums[0]) and not math.isfinite(norm) and self.scale.can_fall
        return Gradients(sums[0], norm, sums[1] > 0, overflow)

    def step(self, step: int, overflow: bool = False) -> float:
        """Update the weights, but not from gradients that overflowed; returns the rate of the step, counted from 0."""
        self.scale.note(overflow)
        learning_rate = self._optimizers.set_rate(rate(self._config, step, self._total))
        if overflow:
            return learning_rate
        self._optimizers.set_decay(decay(self._config, step, self._total))
        self._optimizers.set_momentum(momentum(self._config, step, self._total))
        self._optimizers.step()
        self._strategy.stepped(self._model, step + 1)
        return learning_rate

    def _backward(self, batch: Batch) -> Tensor:
        """Add the gradients of some examples up; returns the sum of their losses."""
        # What counts is the number of units in the global batch, whatever share of it this process has.
        return self._strategy.backward(batch, self._loss, self.scale.value / batch.count)

    def _loss(self, said: Tensor, batch: Batch) -> Tensor:
        return batch_loss(self._task, said, batch, self._config.label_smoothing)


def batch_loss(task: Task, said: Tensor, batch: Batch, smoothing: float) -> Tensor:
    """Sum of the losses of this process's examples; of mixed ones with both labels, by their shares.

    Args:
        task: gives the loss.
        said: what the model says of the batch.
        batch: this process's part.
        smoothing: share of the target that is spread over all classes.
    """
    if batch.others is None:
        return task.loss(said, batch.labels, batch.weights, smoothing)
    first = task.loss(said, batch.labels, batch.weights * batch.share, smoothing)
    return first + task.loss(said, batch.others, batch.weights * (1.0 - batch.share), smoothing)


def running_values(model: nn.Module) -> list[Tensor]:
    """What the layers of a model keep count of while they are trained: stored values that are no weights."""
    stored = model.state_dict()
    return [values for name, values in model.named_buffers() if name in stored and values.is_floating_point()]
