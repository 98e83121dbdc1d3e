"""Parts of a batch that are computed one after the other, so that a large batch needs little memory."""

from __future__ import annotations

import logging
import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from ops.errors import ConfigError
from ops.nn.spec import Spec
from ops.tasks.base import Task
from ops.training import random_state
from ops.training.data import Examples
from ops.training.loader import Batch

log = logging.getLogger("satiety.training")


def parts(batch: Batch, processes: int, size: int | None) -> list[Batch]:
    """Divide one process's part of a batch into as many parts in each process, of at most `size` examples.

    What counts is the number of units in the global batch, so the sum of the parts' losses and gradients is that of the
    whole. A process with fewer examples has parts with one that only stands in.

    Args:
        batch: this process's part of a global batch.
        processes: by how many the global batch is divided.
        size: most examples of a part; None leaves the batch whole.
    """
    count = 1 if size is None else math.ceil(math.ceil(batch.examples / processes) / size)
    if count <= 1:
        return [batch]
    rows, edges = len(batch.labels), np.linspace(0, len(batch.labels), count + 1).round().astype(int).tolist()
    if rows >= count:
        return [batch.rows(slice(start, end)) for start, end in pairwise(edges)]
    stand_in = batch.rows(slice(0, 1)).without_weight()
    return [*(batch.rows(slice(row, row + 1)) for row in range(rows)), *[stand_in] * (count - rows)]


def largest(model: nn.Module, task: Task, spec: Spec, examples: Examples, most: int, device: torch.device) -> int:
    """The largest number of examples, halved from `most`, whose forward and backward pass fits in the memory.

    It is tried with the longest examples, while memory for two more copies of the weights is taken, as optimisers do.
    The model's buffers and all random states are afterwards as before.

    Args:
        model: the network itself, not wrapped.
        task: gives the loss.
        spec: what the model reads.
        examples: what is trained on.
        most: examples of this process in a batch.
        device: where it computes.

    Raises:
        ConfigError: not even one example fits.
    """
    states, buffers = random_state.capture(), {name: value.clone() for name, value in model.named_buffers()}
    rows = np.argsort(-examples.length, kind="stable")
    size = most
    try:
        while True:
            try:
                _attempt(model, task, spec, examples, np.resize(rows, size), device)
                return size
            except RuntimeError as error:
                if not _out_of_memory(error):
                    raise
            if size == 1:
                raise ConfigError("the memory is too small for one example", where="training.micro_batch")
            size = math.ceil(size / 2)
            log.info("out of memory: trying %d examples at once", size)
    finally:
        for name, value in model.named_buffers():
            value.copy_(buffers[name])
        random_state.restore(states)
        model.zero_grad()


def _attempt(
    model: nn.Module, task: Task, spec: Spec, examples: Examples, rows: np.ndarray[tuple[int], np.dtype[np.int64]],
    device: torch.device,
) -> None:  # fmt: skip
    held: list[Tensor] = [torch.empty_like(weight) for weight in model.parameters() for _ in range(2)]
    values, lengths = examples.values(rows), examples.length[rows]
    inputs = task.collate(values, lengths, spec)
    labels = torch.from_numpy(task.targets(values, lengths, examples.label[rows]))
    batch = Batch(len(rows), len(rows), 0, inputs, labels, torch.ones(len(rows))).to(device)
    torch.autograd.backward(task.loss(model(*batch.inputs), batch.labels, batch.weights))
    del held


def _out_of_memory(error: RuntimeError) -> bool:
    """Whether that is what went wrong: CPUs and Apple's GPUs say so in words alone."""
    words = ("can't allocate memory", "out of memory")
    return isinstance(error, torch.OutOfMemoryError) or any(word in str(error) for word in words)
