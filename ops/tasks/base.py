"""What a task is: the way from stored examples to batches, from logits to a loss, and from predictions to metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from ops.config import Config
from ops.nn.spec import ImageSpec, TextSpec

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor


class Task(Config):
    """Base of all tasks. A subclass adds `kind: Literal[...]` and the methods below.

    `modality` names what its input column holds.
    """

    modality: ClassVar[str]

    if TYPE_CHECKING:
        kind: Any

    input: str = Field(min_length=1)
    """Column that the model reads."""
    label: str = Field(min_length=1)
    """Column that the model predicts."""

    def collate(
        self, values: NDArray[np.generic], lengths: NDArray[np.int64], spec: TextSpec | ImageSpec
    ) -> tuple[Tensor, ...]:
        """The tensors that the model's `forward` takes.

        Args:
            values: (B, longest) stored values, zero behind each example's end.
            lengths: (B,) number of values of each example.
            spec: what the model reads.
        """
        raise TypeError(f"{type(self).__name__} has no collate")

    def loss(self, logits: Tensor, labels: Tensor, weights: Tensor, smoothing: float = 0.0) -> Tensor:
        """Sum of the examples' losses (a scalar), each times its weight.

        A sum and not a mean: what is divided by must be the count of the global batch, whatever share of it a
        process has.
        """
        raise TypeError(f"{type(self).__name__} has no loss")

    def tally(self, logits: Tensor, labels: Tensor, weights: Tensor, classes: int) -> torch.Tensor:
        """What metrics are computed from, as integers that add up over batches and processes."""
        raise TypeError(f"{type(self).__name__} has no tally")

    def metrics(self, tally: NDArray[np.int64]) -> dict[str, float]:
        """Named metrics from an added-up tally."""
        raise TypeError(f"{type(self).__name__} has no metrics")

    def score(self, metrics: dict[str, float]) -> float:
        """The one of the metrics by which weights are chosen; more is better."""
        raise TypeError(f"{type(self).__name__} has no score")

    def probabilities(self, logits: Tensor) -> Tensor:
        """What the model says about each example: (B, C) for logits (B, C), rows adding up to one."""
        raise TypeError(f"{type(self).__name__} has no probabilities")
