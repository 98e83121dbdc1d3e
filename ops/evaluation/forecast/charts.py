"""Charts of a forecast: errors with intervals, errors by step ahead, and forecasts beside what came."""

from __future__ import annotations

from collections.abc import Sequence

from ops.evaluation.charts.bars import Bar, bars_chart, less_chart
from ops.evaluation.charts.frame import Frame, Point
from ops.evaluation.forecast.schema import ForecastDifference, ForecastSample, ForecastScore, StepRow
from ops.evaluation.svg import Chart, dot, element, number, path, stroke

STYLES = {"model": "model", "baseline": "baseline", "persistence": "majority"}
LINES = {"model": "line-model", "baseline": "line-baseline", "persistence": "line-soft"}


def errors_chart(scores: Sequence[ForecastScore]) -> Chart:
    """Mean absolute error of every forecast with its interval, on an axis from 0."""
    bars = [Bar(score.name, STYLES[score.role], score.mae) for score in scores]
    return bars_chart("errors", "Mean absolute error with 95% intervals", bars)


def errors_difference_chart(differences: Sequence[ForecastDifference]) -> Chart:
    """The paired difference from the strongest rival with its interval, on an axis of its own around zero."""
    rival = next((d for d in differences if d.role == "baseline"), differences[0])
    return less_chart("Paired difference in mean absolute error", rival.against, rival.mae)


def steps_chart(steps: Sequence[StepRow], minutes: int) -> Chart:
    """Mean absolute errors by step ahead, a line for each forecast."""
    lines: dict[str, list[Point]] = {role: [] for role in LINES}
    for row in steps:
        for role, points in lines.items():
            value = getattr(row, role)
            if value is not None:
                points.append((row.ahead, value))
    frame = Frame(960, 300, 1, max(row.ahead for row in steps), 0, max(v for p in lines.values() for _, v in p))
    parts = [frame.grid(f"steps ahead, of {minutes} minutes each")]
    for role, points in lines.items():
        parts.append(path([frame(*point) for point in points], LINES[role]))
        parts += [dot(*frame(x, y), 2.2, _DOTS[role], f"{role}, {x:g} ahead: {y:.4g}") for x, y in points]
    said = "; ".join(f"{role}: {p[0][1]:.4g} at first, {p[-1][1]:.4g} at last" for role, p in lines.items() if p)
    return Chart("steps", "Mean absolute error by step ahead", said, 960, 300, "".join(parts))


_DOTS = {"model": "model", "baseline": "baseline", "persistence": "majority"}


def sample_chart(sample: ForecastSample, name: str) -> Chart:
    """What was before, what came, and what each forecast said."""
    came = [(step + 1, value) for step, value in enumerate(sample.truth) if value is not None]
    past = [(step - len(sample.past) + 1, value) for step, value in enumerate(sample.past)]
    said: dict[str, Sequence[float]] = {"persistence": sample.persistence}
    said |= {"baseline": sample.baseline} if sample.baseline is not None else {}
    said["model"] = sample.model
    every = [value for _, value in [*came, *past]] + [value for values in said.values() for value in values]
    frame = Frame(470, 210, past[0][0] if past else 1, len(sample.truth), min(0.0, *every), max(every))
    parts = [frame.grid("steps from the moment of the forecast")]
    parts.append(stroke(*frame(0.5, frame.low), *frame(0.5, frame.high), "grid"))
    # Where the truth is not known the line has a gap.
    for points in _runs([*past, *came]):
        parts.append(_truth([frame(*point) for point in points]))
    for role, values in said.items():
        parts.append(path([frame(step + 1, value) for step, value in enumerate(values)], LINES[role]))
    about = f"From {sample.moment}: model {_ends(sample.model)}, came {_ends([value for _, value in came])}"
    return Chart(name, f"Forecast of {sample.moment}", about, 470, 210, "".join(parts))


def _ends(values: Sequence[float]) -> str:
    return f"{values[0]:.4g} to {values[-1]:.4g}" if values else "not known"


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """The points, cut where steps are missing."""
    runs: list[list[Point]] = []
    for point in points:
        if runs and point[0] - runs[-1][-1][0] == 1:
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs


def _truth(points: Sequence[Point]) -> str:
    steps = " ".join(f"{'M' if i == 0 else 'L'}{number(x)} {number(y)}" for i, (x, y) in enumerate(points))
    return element("path", d=steps, class_="zero", fill="none")
