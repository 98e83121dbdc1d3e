"""How the trials of a sweep learned: a curve for each, by steps or by what they took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ops.config import Config

Curve = Mapping[str, Sequence[tuple[int, float]]]
"""Of one training the steps and values of `loss` and `valid_loss`."""
CURVE = 3
"""Evaluations that make a curve."""


class TrialCurve(Config):
    """The longest training of one trial of a sweep."""

    trial: int
    """Number of the trial, from 0."""
    chosen: bool
    """Whether its values are used."""
    points: list[tuple[float, float]]
    """Where it was, and its loss there."""


class TrialCurves(Config):
    """Learning curves of a sweep's trials."""

    of: Literal["validation loss", "training loss"]
    """What the curves show: the validation loss, where all were judged often enough for a curve."""
    by: Literal["cpu_seconds", "steps"]
    """What they are drawn by. A training's CPU-seconds are spread evenly over its steps."""
    lines: list[TrialCurve]
    """A curve for each trial that was trained."""


def trial_curves(
    found: Mapping[str, Any], curves: Sequence[Curve], costs: Sequence[Mapping[str, Any]] | None = None
) -> TrialCurves | None:
    """How the trials learned; nothing where none has a curve.

    Args:
        found: what `sweep.json` says.
        curves: what `curves.json` says: of each training its `loss` and `valid_loss`.
        costs: what each training took; without it the curves are drawn by steps.
    """
    last = {row["trial"]: place for place, row in enumerate(found["trials"]) if curves[place].get("loss")}
    judged = bool(last) and all(len(curves[place]["valid_loss"]) >= CURVE for place in last.values())
    lines = []
    for trial, place in last.items():
        # Where it was when it ended: all of its steps, or fewer where it diverged.
        points = curves[place]["valid_loss" if judged else "loss"]
        each = costs[place]["cpu_s"] / max(step for step, _ in curves[place]["loss"]) if costs is not None else 1.0
        lines.append(
            TrialCurve(
                trial=trial,
                chosen=trial == found["chosen"]["trial"],
                points=[(round(step * each, 3), value) for step, value in points],
            )
        )
    of: Any = "validation loss" if judged else "training loss"
    return TrialCurves(of=of, by="steps" if costs is None else "cpu_seconds", lines=lines) if lines else None
