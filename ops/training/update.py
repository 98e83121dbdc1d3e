"""One update of the weights: gradients of a global batch, clipped, and a step of the optimisers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ops.tasks.base import Task
from ops.training.config import TrainingConfig
from ops.training.loader import Batch
from ops.training.optimizer import Optimizers
from ops.training.parallel.base import Strategy
from ops.training.schedule import decay, momentum, rate


@dataclass(frozen=True)
class Gradients:
    """What the backward pass of a global batch came to, the same in every process.

    Attributes:
        loss: sum of losses over the global batch.
        norm: length of the gradients before they were clipped.
        stopping: whether any process was asked to stop.
    """

    loss: float
    norm: float
    stopping: bool


class Update:
    """Makes the updates of one model."""

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
        self._running = running_values(model)

    def gradients(self, batch: Batch, stop: bool) -> Gradients:
        """Gradients of the mean loss of the global batch, in all processes; the weights stay as they are.

        Args:
            batch: this process's part.
            stop: whether this process is asked to stop.
        """
        self._model.zero_grad()
        smoothing, group = self._config.label_smoothing, self._strategy.group

        def loss_of(said: Tensor, part: Batch) -> Tensor:
            return batch_loss(self._task, said, part, smoothing)

        # What counts is the number of units in the global batch, whatever share of it this process has.
        loss = self._strategy.backward(batch.to(group.device), loss_of, 1.0 / batch.count)
        self._strategy.agree(self._running, int((batch.weights > 0).sum()))
        said = float(loss) if self._strategy.speaks else 0.0
        sums = group.total(torch.tensor([said, stop], dtype=torch.float64, device=group.sums)).tolist()
        norm = self._strategy.clip(self._model, self._config.clip_norm, self._config.clip_value)
        return Gradients(sums[0], norm, sums[1] > 0)

    def step(self, step: int) -> float:
        """Update the weights; returns the learning rate, for the step that counts from 0."""
        learning_rate = self._optimizers.set_rate(rate(self._config, step, self._total))
        self._optimizers.set_decay(decay(self._config, step, self._total))
        self._optimizers.set_momentum(momentum(self._config, step, self._total))
        self._optimizers.step()
        self._strategy.stepped(self._model)
        return learning_rate


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
