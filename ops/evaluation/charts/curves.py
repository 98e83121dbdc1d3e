"""Line charts of training: loss and accuracy by step."""

from __future__ import annotations

from collections.abc import Sequence

from ops.evaluation.schema import Curves, LossCurves, Point
from ops.evaluation.svg import Chart, Scale, dot, path, stroke, text, tick_label, ticks

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 480.0, 270.0, 48.0, 466.0, 14.0, 226.0
Line = tuple[str, str, Sequence[Point]]  # name, style, points


def loss_chart(curves: LossCurves) -> Chart | None:
    """Training and validation loss; nothing where neither was recorded."""
    lines: list[Line] = [("training", "line-soft", curves.train_loss), ("validation", "line-loss", curves.valid_loss)]
    return line_chart("loss", "Loss by step", lines, "loss")


def accuracy_chart(curves: Curves) -> Chart | None:
    """Validation accuracy; nothing where it was not recorded."""
    return accuracy_line(curves.valid_accuracy)


def accuracy_line(points: Sequence[Point]) -> Chart | None:
    """Validation accuracy by step; nothing without a point."""
    return line_chart("accuracy", "Validation accuracy by step", [("validation", "line-model", points)], "model")


def line_chart(name: str, title: str, lines: Sequence[Line], marker: str) -> Chart | None:
    """Curves by optimiser step, with dots of style `marker`; nothing where none has a point."""
    lines = [line for line in lines if line[2]]
    if not lines:
        return None
    points = [point for _, _, curve in lines for point in curve]
    marks = ticks(min(p.value for p in points), max(p.value for p in points), 5)
    steps = ticks(0, max(p.step for p in points), 6)
    if steps[-1] > max(p.step for p in points):
        steps.pop()
    x = Scale(0, max(max(p.step for p in points), 1), LEFT, RIGHT)
    y = Scale(marks[0], marks[-1], BOTTOM, TOP)
    parts = [grid(x, y, steps, marks, "optimiser step")]
    for label, style, curve in lines:
        parts.append(path(((x(p.step), y(p.value)) for p in curve), style))
        if style != "line-soft" and len(curve) <= 60:
            parts += [dot(x(p.step), y(p.value), 2.6, marker, f"{label}, step {p.step}: {p.value:.4g}") for p in curve]
    ends = "; ".join(
        f"{label}: {curve[0].value:.4g} at step {curve[0].step}, {curve[-1].value:.4g} at step {curve[-1].step}"
        for label, _, curve in lines
    )
    return Chart(name, title, ends, WIDTH, HEIGHT, "".join(parts))


def grid(x: Scale, y: Scale, steps: list[float], marks: list[float], below: str) -> str:
    """Lines across at the marks, ticks below at the steps, and what those are."""
    parts = []
    for mark in marks:
        parts.append(stroke(LEFT, y(mark), RIGHT, y(mark), "grid"))
        parts.append(text(LEFT - 8, y(mark) + 4, tick_label(mark, marks[1] - marks[0]), "soft small figure", "end"))
    for step in steps:
        distance = steps[1] - steps[0] if len(steps) > 1 else 1.0
        parts.append(stroke(x(step), BOTTOM, x(step), BOTTOM + 4, "axis"))
        parts.append(text(x(step), BOTTOM + 18, tick_label(step, distance), "soft small figure", "middle"))
    parts.append(stroke(LEFT, BOTTOM, RIGHT, BOTTOM, "axis"))
    parts.append(text((LEFT + RIGHT) / 2, BOTTOM + 38, below, "soft small", "middle"))
    return "".join(parts)
