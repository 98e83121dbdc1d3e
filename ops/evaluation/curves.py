"""Learning curves from the training history."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ops.evaluation.schema import Curves, Point

LONGEST = 240


def learning_curves(history: Iterable[Mapping[str, Any]], longest: int = LONGEST) -> Curves:
    """The curves in the records of history.jsonl.

    A record has `step` and some of `loss`, `valid_loss`, `valid_accuracy`; see `curves_of`.
    """
    found = curves_of(history, ("loss", "valid_loss", "valid_accuracy"), longest)
    return Curves(train_loss=found["loss"], valid_loss=found["valid_loss"], valid_accuracy=found["valid_accuracy"])


def curves_of(
    history: Iterable[Mapping[str, Any]], keys: Sequence[str], longest: int = LONGEST
) -> dict[str, list[Point]]:
    """The curve of each key. Values that are absent or not finite make no point.

    A curve of more than `longest` points is thinned to the means of that many runs of about equal length, each at its
    last step.
    """
    found: dict[str, list[tuple[int, float]]] = {key: [] for key in keys}
    for record in history:
        for key, points in found.items():
            value = record.get(key)
            if isinstance(value, int | float) and math.isfinite(value):
                points.append((int(record["step"]), float(value)))
    return {key: _thin(sorted(points), longest) for key, points in found.items()}


def _thin(points: list[tuple[int, float]], longest: int) -> list[Point]:
    if len(points) <= longest:
        return [Point(step=step, value=round(value, 6)) for step, value in points]
    runs = np.array_split(np.arange(len(points)), longest)
    return [Point(step=points[run[-1]][0], value=round(float(np.mean([points[i][1] for i in run])), 6)) for run in runs]
