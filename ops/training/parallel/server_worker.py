"""What a worker of a parameter server does: it asks for work, computes gradients, and sends them."""

from __future__ import annotations

import os
import time
from typing import Any

import torch
from torch import Tensor, nn

from ops.errors import Temporary
from ops.training import random_state
from ops.training.altering import alteration
from ops.training.config import Loader
from ops.training.data import load_examples
from ops.training.distributed import Group
from ops.training.loader import Ahead, Batch, batches
from ops.training.order import Order
from ops.training.parallel.base import Strategy
from ops.training.parallel.server import PLACE
from ops.training.parallel.wire import LostError, connect, receive, send
from ops.training.precision import lower, place
from ops.training.run import RunSpec
from ops.training.signals import Stop
from ops.training.update import batch_loss

PATIENCE_S = 60.0
"""How long a worker looks for its server."""

Told = dict[str, Any]
"""What a worker says of its work: sum of losses, units of loss, CPU-seconds until now, and who it is."""


def work(run: RunSpec, group: Group, stop: Stop) -> int:
    """Work until the server says that it is over; returns the signal that asked to stop, or 0.

    Raises:
        Temporary: there is no server, or it is gone.
    """
    line = None
    until = time.monotonic() + PATIENCE_S
    while (line := connect(run.folder / PLACE)) is None:
        if (run.folder / "result" / "done.json").exists() or stop.signal:
            return stop.signal
        if time.monotonic() > until:
            raise Temporary("there is no parameter server", where=f"rank {group.rank}")
        time.sleep(0.05)
    try:
        with line:
            helper = _helper(run, group)
            while True:
                head, weights = receive(line)
                if head.get("over"):
                    return stop.signal
                unit = (int(head["step"]), int(head["part"]), int(head["parts"]))
                send(line, *helper.answer(unit, weights))
    except LostError as error:
        if stop.signal:
            return stop.signal
        raise Temporary(f"the parameter server is gone: {error}", where=f"rank {group.rank}") from error


def _helper(run: RunSpec, group: Group) -> Helper:
    if run.training.strategy != "hogwild":
        return Helper(run, group)
    from ops.training.parallel.hogwild import Hog

    return Hog(run, group)


class Helper:
    """Computes gradients of parts of batches."""

    def __init__(self, run: RunSpec, group: Group) -> None:
        self.run, self._group = run, group
        config, classes = run.training, len(run.classes)
        self._task, self._spec = run.task_value(), run.input
        kind = run.model_value()
        self._examples = load_examples(
            run.inputs, self._spec.dtype, classes, config.loader.memory << 20, self._task.label_shape
        )["train"]
        self._alter = alteration(run, self._examples)
        self._order = Order(self._examples.length, config.batch_size, run.seed, config.bucketing)
        self.total = config.steps or self._order.steps_per_epoch * (config.epochs or 1)
        built = kind.build(self._spec, self._task.outputs(classes, self._spec))
        self.model: nn.Module = place(built, group.device, config.precision).train()
        lower(self.model, group.device, config.precision)
        self._strategy = Strategy(Group(device=group.device))
        self._strategy.prepare(self.model)
        self._loaders: dict[tuple[int, int], Ahead[Any, Batch]] = {}

    def answer(self, unit: tuple[int, int, int], weights: dict[str, Tensor]) -> tuple[Told, dict[str, Tensor]]:
        """What there is to tell of a unit of work (step, part, number of parts), and gradients at these weights."""
        with torch.no_grad():
            for name, weight in self.model.named_parameters():
                weight.copy_(weights[name])
        told = self.compute(unit)
        found = {name: weight.grad for name, weight in self.model.named_parameters() if weight.grad is not None}
        return told, {name: gradient.contiguous().cpu() for name, gradient in found.items()}

    def compute(self, unit: tuple[int, int, int]) -> Told:
        """Put the gradients of the mean loss of a step's batch that are due to a part of it into the model."""
        step, part, parts = unit
        self.model.zero_grad()
        # Whoever computes the part drops the same values.
        random_state.seed_everything(random_state.seed_of_rank(self.run.seed, part, step))
        batch = self._loader(part, parts).get(step).to(self._group.device)
        smoothing = self.run.training.label_smoothing
        loss = self._strategy.backward(
            batch, lambda said, piece: batch_loss(self._task, said, piece, smoothing), 1.0 / batch.count
        )
        return {"loss": float(loss), "count": batch.count, "cpu_s": time.process_time(), "who": os.getpid()}

    def _loader(self, part: int, parts: int) -> Ahead[Any, Batch]:
        """The batches of a part; made when they are wanted, since nobody knows which one is next."""
        if (part, parts) not in self._loaders:
            run, config = self.run, self.run.training
            self._loaders[part, parts] = batches(
                self._examples, self._order, self._task, self._spec, self.total, Loader(workers=0), part, parts,
                config.mixing, run.seed, self._alter,
            )  # fmt: skip
        return self._loaders[part, parts]
