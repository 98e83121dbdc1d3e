"""Batches made ready by threads while the model computes; which batch a step has depends on nothing but the step."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ops.nn.spec import Spec
from ops.tasks.base import Task
from ops.training.config import Loader, Mixing
from ops.training.data import Examples
from ops.training.mixing import Mix, check_mixing, draw_mix
from ops.training.order import Order, Rows

if TYPE_CHECKING:
    from ops.training.crew import Crew

Key = TypeVar("Key")
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Batch:
    """One process's part of a global batch.

    Attributes:
        count: units of loss in the global batch, over all processes; see `Task.units`.
        examples: examples in the global batch.
        width: values of its longest example here.
        inputs: what the model's `forward` takes.
        labels: (B,) int64 of classes, or floats (B, ...).
        weights: (B,) 1, or 0 for an example that only stands in.
        others: labels of the examples that are mixed in; nothing where none are.
        share: what the labels count where others count the rest.
    """

    count: int
    examples: int
    width: int
    inputs: tuple[Tensor, ...]
    labels: Tensor
    weights: Tensor
    others: Tensor | None = None
    share: float = 1.0

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        if device.type == "cpu":
            return self
        return self._of(lambda value: value.to(device, non_blocking=True))

    def rows(self, chosen: slice) -> Batch:
        """Some of the examples; counts are still those of the global batch."""
        return self._of(lambda value: value[chosen])

    def without_weight(self) -> Batch:
        """The same examples, which only stand in: they count nothing."""
        return replace(self, weights=torch.zeros_like(self.weights))

    def _of(self, change: Callable[[Tensor], Tensor]) -> Batch:
        inputs = tuple(change(value) for value in self.inputs)
        others = None if self.others is None else change(self.others)
        return replace(self, inputs=inputs, labels=change(self.labels), weights=change(self.weights), others=others)


@dataclass(frozen=True, eq=False)
class Plan:
    """What one process makes for a step.

    Attributes:
        rows: its examples.
        count: units of loss in the global batch.
        examples: examples in the global batch.
        counts: whether its examples count, or one only stands in.
        epoch: the pass over the examples that the step belongs to.
        mix: what is mixed in.
    """

    rows: Rows
    count: int
    examples: int
    counts: bool
    epoch: int
    mix: Mix | None


Read = Callable[[Rows, int], tuple[NDArray[Any], NDArray[np.int64]]]
"""Values (B, longest) of some examples as they are in an epoch, and how many each has; called in any thread."""


class Ahead(Generic[Key, Made]):
    """Makes the values of the next steps in threads, so that each is ready when it is asked for."""

    def __init__(
        self,
        plan: Callable[[int], Key],
        make: Callable[[Key], Made],
        total: int,
        settings: Loader,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        """Nothing is made before the first step is asked for.

        Args:
            plan: says what is to be made for a step; always called in the caller's thread.
            make: makes it; called in any thread.
            total: steps that there are; none beyond is made.
            settings: number of threads, and of steps that are made ahead.
            end: called when all threads have ended.
        """
        self._end = end
        self._plan, self._make, self._total = plan, make, total
        self._ahead = settings.prefetch if settings.workers else 0
        self._pool = ThreadPoolExecutor(settings.workers, "loader") if settings.workers else None
        self._begun: dict[int, Future[Made]] = {}

    def get(self, step: int) -> Made:
        """What belongs to a step; an error that came up in making it is raised here."""
        if self._pool is None:
            return self._make(self._plan(step))
        for number in list(self._begun):
            if not step <= number <= step + self._ahead:  # steps were left out
                self._begun.pop(number).cancel()
        for number in range(step, min(step + self._ahead + 1, max(self._total, step + 1))):
            if number not in self._begun:
                self._begun[number] = self._pool.submit(self._make, self._plan(number))
        return self._begun.pop(step).result()

    def close(self) -> None:
        """End the threads; what they are making is thrown away."""
        try:
            if self._pool is not None:
                self._pool.shutdown(wait=True, cancel_futures=True)
                self._begun.clear()
        finally:
            self._end()


def batches(
    examples: Examples,
    order: Order,
    task: Task,
    spec: Spec,
    total: int,
    settings: Loader,
    rank: int = 0,
    world: int = 1,
    mixing: Mixing | None = None,
    seed: int = 0,
    alter: Read | None = None,
    crew: Crew | None = None,
) -> Ahead[Plan, Batch]:
    """The batches of one process by step.

    Args:
        examples: what is trained on.
        order: says which examples each step sees.
        task: makes tensors of values.
        spec: what the model reads.
        total: number of steps.
        settings: how they are read.
        rank: number of this process.
        world: number of processes.
        mixing: whether and how examples are mixed in pairs.
        seed: the run's seed.
        alter: reads examples changed, before they are mixed; by default they are read as they are.
        crew: processes that do so instead; they end with the batches.

    Raises:
        ConfigError: the examples cannot be mixed.
    """
    check_mixing(mixing, spec)

    def plan(step: int) -> Plan:
        rows = order.rows(step)
        mine, mix = rows[rank::world], draw_mix(mixing, seed, step, rows, spec)
        mix = mix.part(rank, world) if mix is not None else None
        count, epoch = int(task.units(examples.length[rows]).sum()), step // order.steps_per_epoch
        # Fewer examples than processes: each still takes part, with one example that does not count.
        return Plan(mine if len(mine) else rows[:1], count, len(rows), len(mine) > 0, epoch, mix)

    def plain(rows: Rows, epoch: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        return examples.values(rows), examples.length[rows]

    read = crew.values if crew is not None else alter or plain

    def make(planned: Plan) -> Batch:
        return _made(planned, read, examples, task, spec)

    return Ahead(plan, make, total, settings, crew.close if crew is not None else lambda: None)


def _made(planned: Plan, read: Read, examples: Examples, task: Task, spec: Spec) -> Batch:
    """The batch of a plan, with its examples' values from `read`."""
    rows, mix = planned.rows, planned.mix
    values, lengths = read(rows, planned.epoch)
    inputs = task.collate(values, lengths, spec)
    weights = torch.full((len(rows),), float(planned.counts))
    labels = torch.from_numpy(task.targets(values, lengths, examples.label[rows]))
    sizes = (planned.count, planned.examples, values.shape[1])
    if mix is None:
        return Batch(*sizes, inputs, labels, weights)
    (images,) = inputs
    (others,) = task.collate(*read(mix.partners, planned.epoch), spec)
    mixed, second = mix.apply(images, others), torch.from_numpy(examples.label[mix.partners])
    return Batch(*sizes, (mixed,), labels, weights, second, mix.share)
