"""Judging a model on examples: batches of like length, shared out over the processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ops.nn.spec import Spec
from ops.tasks.base import Task
from ops.tasks.language_model import LanguageModel
from ops.training.data import Examples
from ops.training.distributed import Group
from ops.training.parallel.base import Strategy

BATCH = 128
"""Examples in one forward pass; the result does not depend on it but for rounding."""


@dataclass(frozen=True)
class Verdict:
    """What an evaluation found.

    Attributes:
        loss: mean over the units of loss (`Task.units`), without label smoothing.
        metrics: the task's metrics.
        tally: what they were computed from; for classification the confusion matrix.
        examples: how many there were.
    """

    loss: float
    metrics: dict[str, float]
    tally: list[list[Any]]
    examples: int


def evaluate(
    model: nn.Module,
    task: Task,
    spec: Spec,
    examples: Examples,
    classes: int,
    strategy: Strategy | None = None,
    on_batch: Callable[[int, int], None] = lambda rows, width: None,
) -> Verdict:
    """Loss and metrics of the model on the examples, the same in every process.

    Args:
        model: the network; set to evaluation for the call and back to training after it.
        task: gives loss and metrics.
        spec: what the model reads.
        examples: at least one.
        classes: number of classes, or of other outputs.
        strategy: how processes share the work, with the model as it has prepared it.
        on_batch: told after each batch how many examples of which width this process has seen.
    """
    strategy = strategy or alone(model)
    part, parts = strategy.part
    loss = torch.zeros((), dtype=torch.float64)
    tally = task.nothing(classes)
    for rows in batches(examples.length):
        # Fewer examples than parts: each process still takes part, with one example that does not count.
        mine = rows[part::parts]
        weights = torch.ones(len(mine)) if len(mine) else torch.zeros(1)
        mine = mine if len(mine) else rows[:1]
        values, logits = _forward(model, task, spec, examples, mine, strategy)
        targets = torch.from_numpy(task.targets(values, examples.length[mine], examples.label[mine]))
        labels, weights = targets.to(strategy.group.sums), weights.to(strategy.group.sums)
        loss += task.loss(logits, labels, weights).double().cpu()
        tally = tally + task.tally(logits, labels, weights, classes).cpu()
        on_batch(int(weights.sum()), values.shape[1])
    model.train()
    summed = strategy.total(tally).numpy()
    mean = float(strategy.total(loss)) / int(task.units(examples.length).sum())
    return Verdict(mean, task.metrics(summed), summed.tolist(), len(examples))


def predict(
    model: nn.Module, task: Task, spec: Spec, examples: Examples, part: int = 0, parts: int = 1
) -> NDArray[np.float32]:
    """What the model says about each example: (N, C), in the order of the examples.

    Args:
        model: the network.
        task: makes probabilities of logits.
        spec: what the model reads.
        examples: all of them.
        part: number of this process; it computes its share of the batches, and says zeros elsewhere.
        parts: number of processes. Batches are the same for any number, so that together they say the same bits.
    """
    strategy = alone(model)
    found: NDArray[np.float32] | None = None
    for rows in shares(examples.length, part, parts):
        _, logits = _forward(model, task, spec, examples, rows, strategy)
        said = task.probabilities(logits).cpu().numpy()
        if found is None:
            found = np.zeros((len(examples), said.shape[1]), dtype=np.float32)
        found[rows] = said
    return np.zeros((0, 0), dtype=np.float32) if found is None else found


def tell(
    model: nn.Module, task: LanguageModel, spec: Spec, examples: Examples, part: int = 0, parts: int = 1
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Of each token told, window by window: its loss in nats, and whether it was thought most likely.

    Args:
        model: the network.
        task: gives the losses.
        spec: what the model reads.
        examples: the windows.
        part: number of this process, and `parts` how many there are; see `predict`.
        parts: number of processes.
    """
    strategy = alone(model)
    units = task.units(examples.length)
    nats, hits = np.zeros(int(units.sum()), np.float32), np.zeros(int(units.sum()), np.bool_)
    for rows in shares(examples.length, part, parts):
        values, logits = _forward(model, task, spec, examples, rows, strategy)
        targets = task.targets(values, examples.length[rows], examples.label[rows])
        labels = torch.from_numpy(targets)
        row, place = np.nonzero(np.arange(targets.shape[1]) < units[rows][:, None])
        at = places(units, rows)
        nats[at] = task.nats(logits, labels).numpy()[row, place]
        hits[at] = (logits.argmax(dim=-1) == labels).numpy()[row, place]
    return nats, hits


def places(units: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where the units of some examples are among those of all, example by example."""
    starts = np.cumsum(units) - units
    row, place = np.nonzero(np.arange(int(units[rows].max(initial=0))) < units[rows][:, None])
    found: NDArray[np.int64] = starts[rows][row] + place
    return found


def shares(lengths: NDArray[np.int64], part: int, parts: int) -> Iterator[NDArray[np.int64]]:
    """The batches of one of several processes: every `parts`-th, so that each has short and long ones."""
    return (rows for number, rows in enumerate(batches(lengths)) if number % parts == part)


def batches(lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """All examples once, shortest first, so that those of a batch need little padding."""
    rows = np.argsort(lengths, kind="stable")
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))


def alone(model: nn.Module) -> Strategy:
    """This process with the whole model, on the device where the weights are."""
    weight = next(model.parameters(), None)
    strategy = Strategy(Group() if weight is None else Group(device=weight.device))
    strategy.prepare(model)
    return strategy


def _forward(
    model: nn.Module, task: Task, spec: Spec, examples: Examples, rows: NDArray[np.int64], strategy: Strategy
) -> tuple[NDArray[Any], Tensor]:
    """The stored values, and the logits of some examples, without dropout."""
    model.eval()
    values = examples.values(rows)
    inputs = task.collate(values, examples.length[rows], spec)
    # Not `inference_mode`: its tensors cannot be kept by strategies that gather weights for a while.
    with torch.no_grad():
        said = strategy.forward(tuple(value.to(strategy.group.device) for value in inputs))
    return values, said.to(strategy.group.sums)
