"""Learning curves of a sweep's trials, a line for each; the chosen one in its own colour."""

from __future__ import annotations

import numpy as np

from ops.evaluation.charts.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, grid
from ops.evaluation.svg import Chart, Scale, dot, path, ticks
from ops.evaluation.trial_curves import TrialCurves

SEEN = 0.95
"""Share of all points that the axis shows at least; a line above it lies on the upper edge."""
AXES = {"cpu_seconds": "CPU-seconds of the training", "steps": "optimiser step"}
UNITS = {"cpu_seconds": "CPU-seconds", "steps": "steps"}


def trials_chart(curves: TrialCurves) -> Chart:
    """The curves of all trials, those drawn last above: the worse first, the chosen one at the end."""
    lines = sorted(curves.lines, key=lambda line: (line.chosen, -line.points[-1][1]))
    values = np.array([value for line in lines for _, value in line.points])
    highest = max(float(np.quantile(values, SEEN)), *(line.points[-1][1] for line in lines if line.chosen))
    marks = ticks(float(values.min()), highest, 5)
    longest = max(line.points[-1][0] for line in lines)
    x, y = Scale(0, longest or 1.0, LEFT, RIGHT), Scale(marks[0], marks[-1], BOTTOM, TOP)
    below = [mark for mark in ticks(0, longest, 6) if mark <= longest]
    parts = [grid(x, y, below, marks, AXES[curves.by])]
    said = []
    for line in lines:
        points = [(x(at), y(min(value, marks[-1]))) for at, value in line.points]
        parts.append(path(points, "line-chosen" if line.chosen else "line-thin"))
        at, value = line.points[-1]
        what = f"trial {line.trial}{' (chosen)' if line.chosen else ''}: {value:.4g} after {at:.4g} {UNITS[curves.by]}"
        parts.append(dot(*points[-1], 3.5 if line.chosen else 2.2, "baseline" if line.chosen else "majority", what))
        said.append(what)
    title = f"{curves.of.capitalize()} of each trial by {UNITS[curves.by]}"
    return Chart(f"trials-{curves.by.replace('_', '-')}", title, "; ".join(said), WIDTH, HEIGHT, "".join(parts))
