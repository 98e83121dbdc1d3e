"""Axes of a chart: from values to coordinates, with lines across and marks below."""

from __future__ import annotations

from collections.abc import Callable

from ops.evaluation.svg import Scale, stroke, text, tick_label, ticks

Point = tuple[float, float]


class Frame:
    """Axes: from values to coordinates."""

    def __init__(self, width: float, height: float, first: float, last: float, low: float, high: float) -> None:
        self._marks = ticks(low, high, 5)
        self.low, self.high = self._marks[0], self._marks[-1]
        self._first, self._last = first, max(last, first + 1)
        self._x = Scale(self._first, self._last, 52, width - 14)
        self._y = Scale(self.low, self.high, height - 44, 14)

    def __call__(self, x: float, y: float) -> Point:
        """Where a value is drawn."""
        return self._x(x), self._y(y)

    def grid(self, below: str, label: Callable[[float], str] = lambda step: tick_label(step, 1)) -> str:
        """Lines across, marks below as `label` writes them, and what the axis below shows."""
        left, right, bottom = self._x(self._first), self._x(self._last), self._y(self.low)
        parts = []
        for mark in self._marks:
            parts.append(stroke(left, self._y(mark), right, self._y(mark), "grid"))
            shown = tick_label(mark, self._marks[1] - self._marks[0])
            parts.append(text(left - 8, self._y(mark) + 4, shown, "soft small figure", "end"))
        # What is counted has whole marks only: halves would be rounded to the same figures twice.
        steps = [
            step for step in ticks(self._first, self._last, 7) if self._first <= step <= self._last and step % 1 == 0
        ]
        for step in steps:
            parts.append(stroke(self._x(step), bottom, self._x(step), bottom + 4, "axis"))
            parts.append(text(self._x(step), bottom + 18, label(step), "soft small figure", "middle"))
        parts.append(stroke(left, bottom, right, bottom, "axis"))
        return "".join([*parts, text((left + right) / 2, bottom + 36, below, "soft small", "middle")])


def across(scale: Scale, marks: list[float], top: float, bottom: float) -> str:
    """Lines from top to bottom at the marks, with their values."""
    step = marks[1] - marks[0]
    return "".join(
        stroke(scale(mark), top, scale(mark), bottom, "grid")
        + text(scale(mark), bottom + 18, tick_label(mark, step), "soft small figure", "middle")
        for mark in marks
    )
