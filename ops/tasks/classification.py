"""What every classification has in common: cross-entropy, and metrics from the confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from ops.tasks.base import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class Classification(Task):
    """One label of C for each example."""

    rival: ClassVar[str] = "majority"
    rival_check: ClassVar[str] = (
        "On the validation split the model is right more often than always guessing the most frequent class."
    )
    judged: ClassVar[tuple[str, str]] = ("accuracy", "majority_accuracy")

    def loss(self, logits: Tensor, labels: Tensor, weights: Tensor, smoothing: float = 0.0) -> Tensor:
        """Weighted sum of the cross-entropies in nats.

        Args:
            logits: (B, C).
            labels: (B,) int64.
            weights: (B,); 0 leaves an example out.
            smoothing: share of the target that is spread over all classes (Szegedy et al., 2016).
        """
        from torch.nn import functional

        losses = functional.cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
        return (losses * weights).sum()

    def tally(self, logits: Tensor, labels: Tensor, weights: Tensor, classes: int) -> Tensor:
        """The confusion matrix (C, C) int64: rows are labels, columns predictions; weight 0 is left out."""
        import torch

        kept = weights > 0
        cells = labels[kept] * classes + logits[kept].argmax(dim=1)
        return torch.bincount(cells, minlength=classes * classes).reshape(classes, classes)

    def nothing(self, classes: int) -> Tensor:
        """A confusion matrix of no examples."""
        import torch

        return torch.zeros((classes, classes), dtype=torch.int64)

    def metrics(self, tally: NDArray[Any]) -> dict[str, float]:
        """Accuracy and macro-F1 of a confusion matrix; see `accuracy` and `macro_f1`."""
        return {"accuracy": accuracy(tally), "macro_f1": macro_f1(tally)}

    def naive(self, tally: NDArray[Any]) -> dict[str, float]:
        """The accuracy of always saying the most frequent class."""
        rows = [int(row) for row in tally.sum(axis=1)]
        return {"majority_accuracy": max(rows) / sum(rows)}

    def lost(self, figures: Mapping[str, float]) -> str:
        """What speaks against a model that is not right more often than the most frequent class would be."""
        own, majority = figures["accuracy"], figures["majority_accuracy"]
        if own > majority:
            return ""
        return f"it is right in {own:.1%} of the validation rows, the most frequent class in {majority:.1%}"

    def score(self, metrics: dict[str, float]) -> float:
        """Accuracy."""
        return metrics["accuracy"]

    def probabilities(self, logits: Tensor) -> Tensor:
        """Softmax over the classes."""
        return logits.softmax(dim=1)


def accuracy(confusion: NDArray[np.int64]) -> float:
    """Share of examples on the diagonal of a confusion matrix (C, C); 0 where there are none."""
    total = int(confusion.sum())
    return float(confusion.trace()) / total if total else 0.0


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """Mean over the classes of the harmonic mean of precision and recall.

    A class counts if it occurs among labels or predictions, as in scikit-learn; one never hit scores 0.
    """
    hits = confusion.diagonal()
    seen = confusion.sum(axis=0) + confusion.sum(axis=1)
    present = seen > 0
    return float((2 * hits[present] / seen[present]).mean()) if present.any() else 0.0
