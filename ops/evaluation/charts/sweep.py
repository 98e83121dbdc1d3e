"""A sweep's figures by the values of one key: a dot for each trial, the chosen one in its own colour."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from ops.evaluation.svg import Chart, Scale, dot, log_ticks, stroke, text, tick_label, ticks
from ops.evaluation.text import clip

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 480.0, 270.0, 58.0, 462.0, 14.0, 226.0


class Spot(NamedTuple):
    """One trial: its value of the key, its figure, and the style that it is drawn in."""

    value: Any
    figure: float
    style: str
    title: str


def sweep_chart(
    number: int, key: str, spots: Sequence[Spot], values: Sequence[Any] | None, log: bool, of: str
) -> Chart:
    """The figures by the values of a key.

    Args:
        number: place of the chart on the page.
        key: the key.
        spots: the trials; those drawn last lie above.
        values: the values that were listed, in whose order they stand; None for a range.
        log: whether the range is on a logarithmic scale.
        of: what the figures are, for the reader.
    """
    marks = ticks(min(spot.figure for spot in spots), max(spot.figure for spot in spots), 5)
    y = Scale(marks[0], marks[-1], BOTTOM, TOP)
    parts = []
    for mark in marks:
        parts.append(stroke(LEFT, y(mark), RIGHT, y(mark), "grid"))
        parts.append(text(LEFT - 8, y(mark) + 4, tick_label(mark, marks[1] - marks[0]), "soft small figure", "end"))
    parts.append(stroke(LEFT, BOTTOM, RIGHT, BOTTOM, "axis"))
    if values is not None:
        places = {said(value): (place + 0.5) / len(values) for place, value in enumerate(values)}
        x = {name: LEFT + share * (RIGHT - LEFT) for name, share in places.items()}
        every = -(-len(values) // 8)
        labels = [(x[name], clip(name, 12)) for name in list(x)[::every]]
        at = [x[said(spot.value)] for spot in spots]
    else:
        labels, at = _axis([float(spot.value) for spot in spots], log)
    for place, label in labels:
        parts.append(stroke(place, BOTTOM, place, BOTTOM + 4, "axis"))
        parts.append(text(place, BOTTOM + 18, label, "soft small figure", "middle"))
    parts += [dot(place, y(spot.figure), 4.5, spot.style, spot.title) for place, spot in zip(at, spots, strict=True)]
    parts.append(text((LEFT + RIGHT) / 2, BOTTOM + 38, clip(key, 60), "soft small", "middle"))
    told = "; ".join(f"{said(spot.value)}: {spot.figure:.4g}" for spot in spots)
    return Chart(f"sweep-{number}", f"{of} by {key}", told, WIDTH, HEIGHT, "".join(parts))


def _axis(values: list[float], log: bool) -> tuple[list[tuple[float, str]], list[float]]:
    """Marks of a range, each with its label, and where the values are."""
    marks = log_ticks(min(values), max(values)) if log else ticks(min(values), max(values), 5)
    place = math.log10 if log else float
    scale = Scale(place(marks[0]), place(marks[-1]), LEFT + 8, RIGHT - 8)
    return [(scale(place(mark)), f"{mark:g}") for mark in marks], [scale(place(value)) for value in values]


def said(value: Any) -> str:
    """A value as a reader knows it."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)
