"""Figures of which less is better, side by side with their intervals, and the paired difference of two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ops.evaluation.charts.frame import across
from ops.evaluation.schema import Estimate
from ops.evaluation.svg import Chart, Scale, dot, rect, stroke, text, ticks
from ops.evaluation.text import clip
from ops.evaluation.verdict import figure, signed, signed_span, span

WIDTH, LEFT, RIGHT, ROW = 960.0, 190.0, 700.0, 46.0


class Bar(NamedTuple):
    """One figure: its name, the style that it is drawn in, and its value."""

    name: str
    style: str
    value: Estimate


def bars_chart(name: str, title: str, bars: Sequence[Bar]) -> Chart:
    """Each figure with its interval, on an axis from 0; the first one is the model's."""
    marks = ticks(0, max(max(bar.value.high for bar in bars), 1e-9), 6)
    scale = Scale(0, marks[-1], LEFT, RIGHT)
    bottom = 14 + ROW * len(bars)
    parts = [across(scale, marks, 8, bottom)]
    for index, (label, style, value) in enumerate(bars):
        y = 14 + ROW * index + ROW / 2
        weight = "strong" if index == 0 else ""
        parts += [
            text(LEFT - 16, y + 4, clip(label, 24), weight, "end"),
            rect(LEFT, y - 7, scale(value.value) - LEFT, 14, f"{style} band"),
            stroke(scale(value.low), y, scale(value.high), y, f"whisker-{style}"),
            dot(scale(value.value), y, 5, style, f"{label}: {figure(value.value)} {span(value)}"),
            text(RIGHT + 24, y + 4, figure(value.value), f"figure {weight}"),
            text(RIGHT + 86, y + 4, span(value), "figure soft"),
        ]
    said = "; ".join(f"{bar.name}: {figure(bar.value.value)} {span(bar.value)}" for bar in bars)
    return Chart(name, title, said, WIDTH, bottom + 26, "".join(parts))


def less_chart(title: str, against: str, value: Estimate) -> Chart:
    """The model's figure minus another's with its interval, on an axis of its own around zero."""
    reach = max(abs(value.low), abs(value.high), 1e-9) * 1.15
    marks = ticks(-reach, reach, 7)
    scale = Scale(marks[0], marks[-1], LEFT, RIGHT)
    style = "model" if value.high < 0 else "baseline" if value.low > 0 else "majority"
    parts = [
        across(scale, marks, 20, 58),
        stroke(scale(0), 16, scale(0), 58, "zero"),
        text(scale(0) - 10, 12, "model better", "soft small", "end"),
        text(scale(0) + 10, 12, f"{clip(against, 24)} better", "soft small"),
        text(LEFT - 16, 42, "Difference", "", "end"),
        rect(scale(value.low), 31, scale(value.high) - scale(value.low), 14, f"{style} band"),
        stroke(scale(value.low), 38, scale(value.high), 38, f"whisker-{style}"),
        dot(scale(value.value), 38, 5, style, signed(value.value)),
        text(RIGHT + 24, 42, signed(value.value), "figure strong"),
        text(RIGHT + 92, 42, signed_span(value), "figure soft"),
    ]
    said = f"Model minus {against}: {signed(value.value)} {signed_span(value)}"
    return Chart("difference", title, said, WIDTH, 84, "".join(parts))
