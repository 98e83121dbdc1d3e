"""Charts of a forecast: errors with intervals, errors by step ahead, and forecasts beside what came."""

from __future__ import annotations

from collections.abc import Sequence

from ops.evaluation.forecast.schema import ForecastDifference, ForecastSample, ForecastScore, StepRow
from ops.evaluation.svg import Chart, Scale, dot, element, number, path, rect, stroke, text, tick_label, ticks
from ops.evaluation.text import clip
from ops.evaluation.verdict import figure, signed, signed_span, span

WIDTH, LEFT, RIGHT, ROW = 960.0, 190.0, 700.0, 46.0
STYLES = {"model": "model", "baseline": "baseline", "persistence": "majority"}
LINES = {"model": "line-model", "baseline": "line-loss", "persistence": "line-soft"}
Point = tuple[float, float]


def errors_chart(scores: Sequence[ForecastScore]) -> Chart:
    """Mean absolute error of every forecast with its interval, on an axis from 0."""
    marks = ticks(0, max(max(score.mae.high for score in scores), 1e-9), 6)
    scale = Scale(0, marks[-1], LEFT, RIGHT)
    bottom = 14 + ROW * len(scores)
    parts = [_across(scale, marks, 8, bottom)]
    for index, score in enumerate(scores):
        y, value, style = 14 + ROW * index + ROW / 2, score.mae, STYLES[score.role]
        weight = "strong" if score.role == "model" else ""
        parts += [
            text(LEFT - 16, y + 4, clip(score.name, 24), weight, "end"),
            rect(LEFT, y - 7, scale(value.value) - LEFT, 14, f"{style} band"),
            stroke(scale(value.low), y, scale(value.high), y, f"whisker-{style}"),
            dot(scale(value.value), y, 5, style, f"{score.name}: {figure(value.value)} {span(value)}"),
            text(RIGHT + 24, y + 4, figure(value.value), f"figure {weight}"),
            text(RIGHT + 86, y + 4, span(value), "figure soft"),
        ]
    said = "; ".join(f"{s.name}: {figure(s.mae.value)} {span(s.mae)}" for s in scores)
    return Chart("errors", "Mean absolute error with 95% intervals", said, WIDTH, bottom + 26, "".join(parts))


def errors_difference_chart(differences: Sequence[ForecastDifference]) -> Chart:
    """The paired difference from the strongest rival with its interval, on an axis of its own around zero."""
    difference = next((d for d in differences if d.role == "baseline"), differences[0])
    value = difference.mae
    reach = max(abs(value.low), abs(value.high), 1e-9) * 1.15
    marks = ticks(-reach, reach, 7)
    scale = Scale(marks[0], marks[-1], LEFT, RIGHT)
    style = "model" if value.high < 0 else "baseline" if value.low > 0 else "majority"
    parts = [
        _across(scale, marks, 20, 58),
        stroke(scale(0), 16, scale(0), 58, "zero"),
        text(scale(0) - 10, 12, "model better", "soft small", "end"),
        text(scale(0) + 10, 12, f"{clip(difference.against, 24)} better", "soft small"),
        text(LEFT - 16, 42, "Difference", "", "end"),
        rect(scale(value.low), 31, scale(value.high) - scale(value.low), 14, f"{style} band"),
        stroke(scale(value.low), 38, scale(value.high), 38, f"whisker-{style}"),
        dot(scale(value.value), 38, 5, style, signed(value.value)),
        text(RIGHT + 24, 42, signed(value.value), "figure strong"),
        text(RIGHT + 92, 42, signed_span(value), "figure soft"),
    ]
    said = f"Model minus {difference.against}: {signed(value.value)} {signed_span(value)}"
    return Chart("difference", "Paired difference in mean absolute error", said, WIDTH, 84, "".join(parts))


def steps_chart(steps: Sequence[StepRow], minutes: int) -> Chart:
    """Mean absolute errors by step ahead, a line for each forecast."""
    lines: dict[str, list[Point]] = {role: [] for role in LINES}
    for row in steps:
        for role, points in lines.items():
            value = getattr(row, role)
            if value is not None:
                points.append((row.ahead, value))
    frame = _Frame(960, 300, 1, max(row.ahead for row in steps), 0, max(v for p in lines.values() for _, v in p))
    parts = [frame.grid(f"steps ahead, of {minutes} minutes each")]
    for role, points in lines.items():
        parts.append(path([frame(*point) for point in points], LINES[role]))
        parts += [dot(*frame(x, y), 2.2, _DOTS[role], f"{role}, {x:g} ahead: {y:.4g}") for x, y in points]
    said = "; ".join(f"{role}: {p[0][1]:.4g} at first, {p[-1][1]:.4g} at last" for role, p in lines.items() if p)
    return Chart("steps", "Mean absolute error by step ahead", said, 960, 300, "".join(parts))


_DOTS = {"model": "model", "baseline": "loss", "persistence": "majority"}


def sample_chart(sample: ForecastSample, name: str) -> Chart:
    """What was before, what came, and what each forecast said."""
    came = [(step + 1, value) for step, value in enumerate(sample.truth) if value is not None]
    past = [(step - len(sample.past) + 1, value) for step, value in enumerate(sample.past)]
    said: dict[str, Sequence[float]] = {"persistence": sample.persistence}
    said |= {"baseline": sample.baseline} if sample.baseline is not None else {}
    said["model"] = sample.model
    every = [value for _, value in [*came, *past]] + [value for values in said.values() for value in values]
    frame = _Frame(470, 210, past[0][0] if past else 1, len(sample.truth), min(0.0, *every), max(every))
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


class _Frame:
    """Axes: from values to coordinates."""

    def __init__(self, width: float, height: float, first: float, last: float, low: float, high: float) -> None:
        self._marks = ticks(low, high, 5)
        self.low, self.high = self._marks[0], self._marks[-1]
        self._first, self._last = first, max(last, first + 1)
        self._x = Scale(self._first, self._last, 52, width - 14)
        self._y = Scale(self.low, self.high, height - 44, 14)

    def __call__(self, x: float, y: float) -> Point:
        return self._x(x), self._y(y)

    def grid(self, below: str) -> str:
        """Lines across, marks below, and what the axis below shows."""
        left, right, bottom = self._x(self._first), self._x(self._last), self._y(self.low)
        parts = []
        for mark in self._marks:
            parts.append(stroke(left, self._y(mark), right, self._y(mark), "grid"))
            shown = tick_label(mark, self._marks[1] - self._marks[0])
            parts.append(text(left - 8, self._y(mark) + 4, shown, "soft small figure", "end"))
        steps = [step for step in ticks(self._first, self._last, 7) if self._first <= step <= self._last]
        for step in steps:
            parts.append(stroke(self._x(step), bottom, self._x(step), bottom + 4, "axis"))
            parts.append(text(self._x(step), bottom + 18, tick_label(step, 1), "soft small figure", "middle"))
        parts.append(stroke(left, bottom, right, bottom, "axis"))
        return "".join([*parts, text((left + right) / 2, bottom + 36, below, "soft small", "middle")])


def _across(scale: Scale, marks: list[float], top: float, bottom: float) -> str:
    step = marks[1] - marks[0]
    return "".join(
        stroke(scale(mark), top, scale(mark), bottom, "grid")
        + text(scale(mark), bottom + 18, tick_label(mark, step), "soft small figure", "middle")
        for mark in marks
    )
