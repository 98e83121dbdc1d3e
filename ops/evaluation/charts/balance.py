"""Class balance: one bar a class, its length the rows, its parts the splits."""

from __future__ import annotations

from collections.abc import Sequence

from ops.evaluation.cost import whole
from ops.evaluation.schema import Split
from ops.evaluation.svg import Chart, Scale, rect, text
from ops.evaluation.text import clip

STYLES = ("model", "second", "third")
MOST = 40
WIDTH, LEFT, RIGHT, ROW = 480.0, 132.0, 410.0, 24.0


def balance_chart(classes: Sequence[str], splits: Sequence[Split]) -> Chart:
    """Rows by class and split, the largest classes first; above 40 classes the rest is one bar."""
    totals = [sum(split.counts[i] for split in splits) for i in range(len(classes))]
    order = sorted(range(len(classes)), key=lambda i: (-totals[i], i))
    groups = [(classes[i], [i]) for i in order]
    if len(groups) > MOST:
        rest = order[MOST - 1 :]
        groups = [*groups[: MOST - 1], (f"{len(rest)} others", rest)]
    longest = max(sum(totals[i] for i in members) for _, members in groups)
    scale = Scale(0, max(longest, 1), LEFT, RIGHT)
    parts = []
    for index, (name, members) in enumerate(groups):
        y, start = 4 + ROW * index, 0
        parts.append(text(LEFT - 10, y + 14, clip(name, 18), "", "end"))
        for number, split in enumerate(splits):
            rows = sum(split.counts[i] for i in members)
            width = scale(start + rows) - scale(start)
            style = STYLES[min(number, len(STYLES) - 1)]
            parts.append(rect(scale(start), y + 2, width, ROW - 8, style, f"{name}, {split.split}: {whole(rows)}"))
            start += rows
        parts.append(text(scale(start) + 8, y + 14, whole(start), "soft small figure"))
    description = "; ".join(f"{name}: {whole(sum(totals[i] for i in members))}" for name, members in groups)
    return Chart("balance", "Rows by class", description, WIDTH, 8 + ROW * len(groups), "".join(parts))
