"""Learning curves from the training history."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ops.evaluation.schema import Curves, Point

LONGEST = 240


def learning_curves(history: Iterable[Mapping[str, Any]], longest: int = LONGEST) -> Curves:
    """The curves in the records of history.jsonl.

    A record has `step` and some of `loss`, `valid_loss`, `valid_accuracy`. Values that are absent or not finite make
    no point. A curve of more than `longest` points is thinned to the means of that many runs of about equal length,
    each at its last step.
    """
    found: dict[str, list[tuple[int, float]]] = {"loss": [], "valid_loss": [], "valid_accuracy": []}
    for record in history:
        for key, points in found.items():
            value = record.get(key)
            if isinstance(value, int | float) and math.isfinite(value):
                points.append((int(record["step"]), float(value)))
    thinned = {key: _thin(sorted(points), longest) for key, points in found.items()}
    return Curves(
        train_loss=thinned["loss"], valid_loss=thinned["valid_loss"], valid_accuracy=thinned["valid_accuracy"]
    )


def _thin(points: list[tuple[int, float]], longest: int) -> list[Point]:
    if len(points) <= longest:
        return [Point(step=step, value=round(value, 6)) for step, value in points]
    runs = np.array_split(np.arange(len(points)), longest)
    return [Point(step=points[run[-1]][0], value=round(float(np.mean([points[i][1] for i in run])), 6)) for run in runs]
