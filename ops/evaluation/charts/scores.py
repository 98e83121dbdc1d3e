"""Interval plots: the classifiers beside each other, and the paired difference."""

from __future__ import annotations

from collections.abc import Sequence

from ops.evaluation.schema import Difference, Score
from ops.evaluation.svg import Chart, Scale, dot, rect, stroke, text, tick_label, ticks
from ops.evaluation.text import clip
from ops.evaluation.verdict import figure, signed, signed_span, span

WIDTH, LEFT, RIGHT, ROW = 960.0, 190.0, 700.0, 46.0


def scores_chart(scores: Sequence[Score]) -> Chart:
    """Accuracy of every classifier with its interval, on an axis from 0 to 1."""
    scale = Scale(0, 1, LEFT, RIGHT)
    bottom = 14 + ROW * len(scores)
    parts = [_axis(scale, ticks(0, 1, 6), 8, bottom)]
    for index, score in enumerate(scores):
        y = 14 + ROW * index + ROW / 2
        value = score.accuracy
        shown = f"{figure(value.value)} {span(value)}"
        weight = "strong" if score.role == "model" else ""
        parts += [
            text(LEFT - 16, y + 4, clip(score.name, 24), weight, "end"),
            rect(LEFT, y - 7, scale(value.value) - LEFT, 14, f"{score.role} band"),
            stroke(scale(value.low), y, scale(value.high), y, f"whisker-{score.role}"),
            stroke(scale(value.low), y - 6, scale(value.low), y + 6, f"whisker-{score.role}"),
            stroke(scale(value.high), y - 6, scale(value.high), y + 6, f"whisker-{score.role}"),
            dot(scale(value.value), y, 5, score.role, f"{score.name}: {shown}"),
            text(RIGHT + 24, y + 4, figure(value.value), f"figure {weight}"),
            text(RIGHT + 70, y + 4, span(value), "figure soft"),
        ]
    description = "; ".join(f"{s.name}: {figure(s.accuracy.value)} {span(s.accuracy)}" for s in scores)
    return Chart("scores", "Accuracy with 95% intervals", description, WIDTH, bottom + 26, "".join(parts))


def difference_chart(differences: Sequence[Difference]) -> Chart:
    """The paired difference from the strongest rival with its interval, on an axis of its own around zero."""
    difference = next((d for d in differences if d.role == "baseline"), differences[0])
    value = difference.accuracy
    reach = max(abs(value.low), abs(value.high), 0.005) * 1.15
    marks = ticks(-reach, reach, 7)
    scale = Scale(marks[0], marks[-1], LEFT, RIGHT)
    y = 38.0
    role = "model" if value.low > 0 else "baseline" if value.high < 0 else "majority"
    parts = [
        _axis(scale, marks, 20, 58),
        stroke(scale(0), 16, scale(0), 58, "zero"),
        text(scale(0) - 10, 12, f"{clip(difference.against, 24)} better", "soft small", "end"),
        text(scale(0) + 10, 12, "model better", "soft small"),
        text(LEFT - 16, y + 4, "Difference", "", "end"),
        rect(scale(value.low), y - 7, scale(value.high) - scale(value.low), 14, f"{role} band"),
        stroke(scale(value.low), y, scale(value.high), y, f"whisker-{role}"),
        dot(scale(value.value), y, 5, role, signed(value.value)),
        text(RIGHT + 24, y + 4, signed(value.value), "figure strong"),
        text(RIGHT + 76, y + 4, signed_span(value), "figure soft"),
    ]
    description = f"Model minus {difference.against}: {signed(value.value)} {signed_span(value)}"
    return Chart("difference", "Paired difference in accuracy", description, WIDTH, 84, "".join(parts))


def _axis(scale: Scale, marks: list[float], top: float, bottom: float) -> str:
    step = marks[1] - marks[0]
    return "".join(
        stroke(scale(mark), top, scale(mark), bottom, "grid")
        + text(scale(mark), bottom + 18, tick_label(mark, step), "soft small figure", "middle")
        for mark in marks
    )
