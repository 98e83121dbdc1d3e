"""Classification metrics from counts: accuracy, precision, recall, F1, the confusion matrix.

All functions of counts work on arrays whose last axis is the class, so that one call judges one test set or, with a
leading axis, every bootstrap resample of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.errors import BadData

Labels = NDArray[np.integer]
Counts = NDArray[np.int64]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class ClassScores:
    """Per-class figures, each an array of shape (classes,).

    Attributes:
        support: rows that truly are of the class.
        predicted: rows that were taken for it.
        precision: right ones among the predicted (0 where none was predicted).
        recall: right ones among the true (0 where there is none).
        f1: harmonic mean of the two (0 where both are 0).
    """

    support: Counts
    predicted: Counts
    precision: Scores
    recall: Scores
    f1: Scores


def check_labels(name: str, labels: Labels, classes: int, rows: int | None = None) -> Labels:
    """The labels as a checked one-dimensional array of class indices.

    Raises:
        BadData: none at all, not whole numbers, out of range, or not as many as `rows`.
    """
    array = np.asarray(labels)
    if array.ndim != 1 or array.size == 0:
        raise BadData(f"{name}: one class index per row is needed, got an array of shape {array.shape}")
    if not np.issubdtype(array.dtype, np.integer):
        raise BadData(f"{name}: class indices are whole numbers, got {array.dtype}")
    if rows is not None and len(array) != rows:
        raise BadData(f"{name}: {len(array)} rows where {rows} were expected")
    if int(array.min()) < 0 or int(array.max()) >= classes:
        raise BadData(f"{name}: indices {array.min()} to {array.max()} do not fit {classes} classes")
    return array


def confusion_matrix(truth: Labels, predicted: Labels, classes: int) -> Counts:
    """Rows by true class (first axis) and predicted class (second axis), shape (classes, classes).

    Raises:
        BadData: labels that `check_labels` refuses.
    """
    truth = check_labels("truth", truth, classes)
    predicted = check_labels("predictions", predicted, classes, len(truth))
    cells = truth.astype(np.int64) * classes + predicted.astype(np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def accuracy(confusion: Counts) -> float:
    """Share of rows predicted right."""
    return float(np.trace(confusion) / confusion.sum())


def macro_f1(confusion: Counts) -> float:
    """Mean F1 over the classes that occur, in truth or in prediction."""
    hits, support, predicted = _marginals(confusion)
    return float(macro_f1_of(hits, support, predicted))


def class_scores(confusion: Counts) -> ClassScores:
    """Precision, recall and F1 of every class."""
    hits, support, predicted = _marginals(confusion)
    return ClassScores(
        support=support,
        predicted=predicted,
        precision=_ratio(hits, predicted),
        recall=_ratio(hits, support),
        f1=_ratio(2 * hits, support + predicted),
    )


def macro_f1_of(hits: Counts, support: Counts, predicted: Counts) -> Scores:
    """Macro-averaged F1 from counts of shape (..., classes); the result has shape (...).

    F1 is 2 hits / (support + predicted). A class that neither occurs nor is predicted has none and does not count.
    """
    weight = support + predicted
    present = (weight > 0).sum(axis=-1)
    return np.asarray(_ratio(2 * hits, weight).sum(axis=-1) / np.maximum(present, 1), dtype=np.float64)


def _marginals(confusion: Counts) -> tuple[Counts, Counts, Counts]:
    return np.diagonal(confusion).copy(), confusion.sum(axis=1), confusion.sum(axis=0)


def _ratio(above: Counts, below: Counts) -> Scores:
    return np.divide(above, below, out=np.zeros(np.shape(above), dtype=np.float64), where=below > 0)
