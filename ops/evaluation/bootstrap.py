"""Seeded percentile bootstrap over test rows, for several classifiers on the same resamples.

A resample of n rows with replacement only says how often each combination of (truth, prediction of each classifier) was
drawn, and those counts follow a multinomial distribution. Drawing the counts at once is the same bootstrap without
touching rows: its work grows with the number of distinct combinations, and the order of the rows cannot matter.
Percentile intervals: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ops.evaluation.metrics import Counts, Labels, Scores, check_labels, macro_f1_of

LEVEL = 0.95
_CHUNK = 4_000_000  # counts held at once: 32 MB


@dataclass(frozen=True)
class Resampled:
    """The metrics of one classifier on every resample, each of shape (resamples,).

    Entry i of every classifier comes from the same drawn rows: subtracting two gives the paired difference.
    """

    accuracy: Scores
    macro_f1: Scores


def resample(
    truth: Labels, systems: Mapping[str, Labels], classes: int, *, resamples: int = 1000, seed: int = 0
) -> dict[str, Resampled]:
    """Judge every classifier on `resamples` resamples of the test rows.

    Args:
        truth: class indices of shape (rows,).
        systems: predictions by classifier, each of shape (rows,).
        classes: number of classes.
        resamples: how many resamples to draw.
        seed: the same seed draws the same rows, in any order of rows.

    Raises:
        BadData: labels out of range or of unequal length.
    """
    truth = check_labels("truth", truth, classes)
    rows = len(truth)
    columns = [truth, *(check_labels(name, labels, classes, rows) for name, labels in systems.items())]
    cells, counts = np.unique(np.stack(columns), axis=1, return_counts=True)
    generator = np.random.default_rng(seed)
    step = max(1, _CHUNK // len(counts))
    chunks: dict[str, list[Resampled]] = {name: [] for name in systems}
    for start in range(0, resamples, step):
        drawn = generator.multinomial(rows, counts / rows, size=min(step, resamples - start))
        support = _by_class(drawn, cells[0], classes)
        for row, name in enumerate(systems, start=1):
            chunks[name].append(_judge(drawn, cells[0], cells[row], support, classes))
    return {
        name: Resampled(np.concatenate([c.accuracy for c in parts]), np.concatenate([c.macro_f1 for c in parts]))
        for name, parts in chunks.items()
    }


def interval(samples: Scores, level: float = LEVEL) -> tuple[float, float]:
    """The central interval that holds `level` of the samples."""
    low, high = np.quantile(samples, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _judge(drawn: Counts, truth: Labels, predicted: Labels, support: Counts, classes: int) -> Resampled:
    right = truth == predicted
    hits = _by_class(drawn[:, right], truth[right], classes)
    rows = drawn.sum(axis=1)
    return Resampled(hits.sum(axis=1) / rows, macro_f1_of(hits, support, _by_class(drawn, predicted, classes)))


def _by_class(drawn: Counts, labels: Labels, classes: int) -> Counts:
    """Sum the columns of `drawn` (resamples, cells) by label into (resamples, classes)."""
    summed = np.zeros((len(drawn), classes), dtype=np.int64)
    if labels.size:
        order = np.argsort(labels, kind="stable")
        present, starts = np.unique(labels[order], return_index=True)
        summed[:, present] = np.add.reduceat(drawn[:, order], starts, axis=1)
    return summed
