"""The way of the rows through the stages: what went on, what was lost, what was added."""

from __future__ import annotations

from collections.abc import Sequence

from ops.evaluation.cost import whole
from ops.evaluation.schema import Flow
from ops.evaluation.svg import Chart, Scale, rect, text
from ops.evaluation.text import clip
from ops.evaluation.verdict import MINUS

WIDTH, LEFT, RIGHT, ROW = 960.0, 150.0, 680.0, 38.0


def funnel_chart(stages: Sequence[Flow]) -> Chart:
    """One bar a stage: rows that went on, rows added among them, and rows lost."""
    lost = [sum(flow.rejected.values()) + sum(flow.dropped.values()) for flow in stages]
    longest = max((flow.rows_in + flow.added for flow in stages), default=1)
    scale = Scale(0, max(longest, 1), LEFT, RIGHT)
    parts, words = [], []
    for index, (flow, gone) in enumerate(zip(stages, lost, strict=True)):
        y = 4 + ROW * index
        old = max(flow.rows_out - flow.added, 0)
        spans = [("model", old, "went on"), ("second", flow.rows_out - old, "added"), ("loss", gone, "lost")]
        parts.append(text(LEFT - 14, y + 19, clip(flow.stage, 20), "", "end"))
        start = 0
        for style, rows, word in spans:
            if rows:
                width = scale(start + rows) - scale(start)
                parts.append(rect(scale(start), y + 4, width, ROW - 15, style, f"{flow.stage}: {whole(rows)} {word}"))
            start += rows
        parts.append(text(RIGHT + 24, y + 19, whole(flow.rows_out), "figure strong"))
        change = [f"{MINUS}{whole(gone)} lost"] * bool(gone) + [f"+{whole(flow.added)} added"] * bool(flow.added)
        parts.append(text(RIGHT + 100, y + 19, ", ".join(change) or "all rows kept", "soft figure"))
        words.append(f"{flow.stage}: {whole(flow.rows_in)} in, {whole(flow.rows_out)} out")
    return Chart("funnel", "Rows by stage", "; ".join(words), WIDTH, 6 + ROW * len(stages), "".join(parts))
