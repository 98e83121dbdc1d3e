"""What a task is: the way from stored examples to batches, from logits to a loss, and from predictions to metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from ops.config import Config
from ops.nn.spec import Spec

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor


class Task(Config):
    """Base of all tasks. A subclass adds `kind: Literal[...]` and the methods below.

    Attributes:
        modality: what its input column holds.
        rival: the naive forecast that a model has to beat, as check names have it.
        rival_check: what beating it means, in a sentence about the validation split.
        judged: the metric by which it is beaten, and the rival's of the same examples.
        label_shape: shape of one example's label: a number of a class, or several floats; None where it has none.
    """

    modality: ClassVar[str]
    rival: ClassVar[str]
    rival_check: ClassVar[str]
    judged: ClassVar[tuple[str, str]]

    if TYPE_CHECKING:
        kind: Any

    input: str = Field(min_length=1)
    """Column that the model reads."""
    label: str = Field(min_length=1)
    """Column that the model predicts."""

    @property
    def form(self) -> str:
        """What one example is, as models and baselines have it: its modality, `series`, `row`, or `stream`."""
        return self.modality

    @property
    def reads(self) -> list[str]:
        """The columns that the model reads; those behind cleaning may be changed by normalisation."""
        return [self.input]

    @property
    def label_shape(self) -> tuple[int, ...] | None:
        """Shape of one example's label in the token cache: a whole number, or floats of that shape; None for none."""
        return ()

    def outputs(self, classes: int, spec: Spec) -> int:
        """Number of values that the model says of one example, or of one token."""
        return classes

    def width(self, longest: int) -> int:
        """How long what the model reads is, of examples of which the longest has so many values."""
        return longest

    def units(self, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """(B,) how many units of loss each example has: one, or for a language model one for each token to be told.

        Losses are divided by the units of a global batch, and means are over units.
        """
        import numpy as np

        return np.ones(len(lengths), dtype=np.int64)

    def collate(self, values: NDArray[np.generic], lengths: NDArray[np.int64], spec: Spec) -> tuple[Tensor, ...]:
        """The tensors that the model's `forward` takes.

        Args:
            values: (B, longest) stored values, zero behind each example's end.
            lengths: (B,) number of values of each example.
            spec: what the model reads.
        """
        raise TypeError(f"{type(self).__name__} has no collate")

    def targets(
        self, values: NDArray[np.generic], lengths: NDArray[np.int64], labels: NDArray[np.generic]
    ) -> NDArray[np.generic]:
        """What the model is to say of examples: their labels, or what lies in their values (B, longest) themselves."""
        return labels

    def loss(self, logits: Tensor, labels: Tensor, weights: Tensor, smoothing: float = 0.0) -> Tensor:
        """Sum of the examples' losses (a scalar), each times its weight.

        A sum and not a mean: what is divided by must be the count of the global batch, whatever share of it a
        process has.
        """
        raise TypeError(f"{type(self).__name__} has no loss")

    def tally(self, logits: Tensor, labels: Tensor, weights: Tensor, classes: int) -> torch.Tensor:
        """What metrics are computed from, as numbers that add up over batches and processes."""
        raise TypeError(f"{type(self).__name__} has no tally")

    def nothing(self, classes: int) -> torch.Tensor:
        """The tally of no examples."""
        raise TypeError(f"{type(self).__name__} has no nothing")

    def metrics(self, tally: NDArray[Any]) -> dict[str, float]:
        """Named metrics from an added-up tally."""
        raise TypeError(f"{type(self).__name__} has no metrics")

    def naive(self, tally: NDArray[Any]) -> dict[str, float]:
        """Named metrics of the rival on the same examples."""
        raise TypeError(f"{type(self).__name__} has no naive")

    def lost(self, figures: Mapping[str, float]) -> str:
        """What speaks against a model that is no better than its rival, from `metrics` and `naive`; empty if it is."""
        raise TypeError(f"{type(self).__name__} has no lost")

    def score(self, metrics: dict[str, float]) -> float:
        """The one of the metrics by which weights are chosen; more is better."""
        raise TypeError(f"{type(self).__name__} has no score")

    def probabilities(self, logits: Tensor) -> Tensor:
        """What the model says about each example: (B, C) for logits (B, C), for classes with rows adding up to one."""
        raise TypeError(f"{type(self).__name__} has no probabilities")
