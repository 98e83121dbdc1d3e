"""The report in short: Markdown and figures for an asset's metadata, lines for a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ops.evaluation.cost import Cost, si, whole
from ops.evaluation.html import charts
from ops.evaluation.schema import Estimate, Report
from ops.evaluation.sheet import ContactSheet, SheetRow
from ops.evaluation.svg import Chart
from ops.evaluation.verdict import figure, signed, signed_span, span

# Marks anywhere; headings, rules and bullets in front; `www.`, which many renderers make a link.
_SPECIAL = re.compile(r"[\\`*_\[\]|~:@]|^(?:[=#]|[-+](?![\d.]))|(?<=[Ww]{3})\.")
_NUMBERED = re.compile(r"^(\d+)([.)]\s)")
_SHOWN = ("scores", "confusion", "loss", "accuracy", "funnel", "balance")


def markdown(report: Report) -> str:
    """Markdown of a classifier's report; see `report_markdown`."""
    head = ("Classifier", "Accuracy", "95% interval", "Macro F1", "95% interval")
    drawn = charts(report)
    return report_markdown(report, [md_table(head, _score_rows(report))], [drawn[name] for name in _SHOWN])


def report_markdown(report: Any, own: Sequence[str], drawn: Sequence[Chart | None]) -> str:
    """Markdown with the verdict, tables and the charts as SVG data URIs; text from outside is escaped.

    Args:
        report: any kind of report.
        own: the tables that its kind has, as Markdown.
        drawn: its charts; nothing where there is nothing to draw.
    """
    subject, verdict = report.subject, report.verdict
    parts = [
        f"## {md(subject.recipe)}: {md(verdict.title)}",
        f"**{md(verdict.headline)}**",
        md(verdict.detail),
        md(subject.description),
        *own,
        md_table(("Stage", "In", "Rejected", "Dropped", "Added", "Out"), flow_rows(report)),
        md_table(("Cost", *(row.name for row in report.costs)), cost_rows(report)),
        *(f"![{md(chart.title)}]({chart.data_uri()})" for chart in drawn if chart is not None),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def sheet_markdown(sheet: ContactSheet) -> str:
    """Markdown with a contact sheet: a picture with the ids of its rows, or a table of texts."""
    steps = md(", ".join(sheet.steps))
    if sheet.image is not None:
        ids = "\n".join(f"{number}. {md(row.id)}" for number, row in enumerate(sheet.rows, 1))
        return f"Originals on the left, then their copies ({steps}).\n\n![Contact sheet]({sheet.image})\n\n{ids}\n"
    if sheet.columns:
        lines = [line for row in sheet.rows for line in _numbers(row)]
        said = f"Rows and their copies ({steps}); what is changed has a star.\n\n"
        return said + md_table(("", *sheet.columns), lines)
    head = ("Row", "Original", *(f"Copy {number}" for number in range(1, sheet.copies + 1)))
    return f"Texts and their copies ({steps}).\n\n" + md_table(head, [_texts(row, sheet.copies) for row in sheet.rows])


def _numbers(row: SheetRow) -> list[list[str]]:
    copies = [
        [f"copy {number}", *(f"{cell} *" if mark else cell for cell, mark in zip(cells, marks, strict=True))]
        for number, (cells, marks) in enumerate(zip(row.cells[1:], row.changed, strict=True), 1)
    ]
    return [[row.id, *row.cells[0]], *copies]


def _texts(row: SheetRow, copies: int) -> list[str]:
    return [row.id, row.text or "", *row.copies, *[""] * (copies - len(row.copies))]


def asset_metadata(report: Report) -> dict[str, str | int | float]:
    """The main figures by name; see `report_figures`."""
    by_role = {score.role: score for score in report.scores}
    model, naive, baseline = by_role["model"], by_role["majority"], by_role.get("baseline")
    own = {
        **interval_figures("accuracy", model.accuracy),
        **interval_figures("macro_f1", model.macro_f1),
        "majority_accuracy": naive.accuracy.value,
        "baseline_accuracy": baseline.accuracy.value if baseline is not None else None,
    }
    return report_figures(report, own)


def report_figures(report: Any, own: Mapping[str, float | None]) -> dict[str, str | int | float]:
    """The main figures by name, for an asset's metadata or a metrics file; absent figures are left out.

    Args:
        report: any kind of report.
        own: the figures that its kind has.
    """
    figures: dict[str, str | int | float | None] = {
        "verdict": report.verdict.outcome,
        "headline": report.verdict.headline,
        "test_rows": report.test_rows,
        **own,
        **cost_figures(report.costs[0].cost),
    }
    return {name: value for name, value in figures.items() if value is not None}


def interval_figures(name: str, estimate: Estimate) -> dict[str, float]:
    """A figure and the ends of its interval."""
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def cost_figures(cost: Cost) -> dict[str, str | int | float | None]:
    """What the model took, by name."""
    return {
        "parameters": cost.parameters,
        "flops": cost.flops,
        "cpu_seconds": cost.cpu_seconds,
        "peak_bytes": cost.peak_bytes,
        "joules": cost.energy.joules if cost.energy else None,
        "utilisation": cost.utilisation,
        "waiting": cost.waiting,
        "energy_method": cost.energy.method if cost.energy else None,
    }


def terminal(report: Report) -> str:
    """A plain summary for a terminal, without colours or control characters."""
    lines = [
        f"{report.subject.recipe}: {report.verdict.title}",
        report.verdict.headline,
        report.verdict.detail,
        "",
        *columns(("", "accuracy", "95% interval", "macro F1", "95% interval"), _score_rows(report)),
        "",
        *columns(("", "in", "rejected", "dropped", "added", "out"), flow_rows(report)),
        "",
        *columns(("", *(row.name for row in report.costs)), cost_rows(report)),
    ]
    if report.notes:
        lines += ["", *(f"Note: {' '.join(note.split())}" for note in report.notes)]
    return "\n".join(lines) + "\n"


def _score_rows(report: Report) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (s.name, figure(s.accuracy.value), span(s.accuracy), figure(s.macro_f1.value), span(s.macro_f1))
        for s in report.scores
    ]
    rows += [
        (
            f"Model minus {d.against}",
            signed(d.accuracy.value),
            signed_span(d.accuracy),
            signed(d.macro_f1.value),
            signed_span(d.macro_f1),
        )
        for d in report.differences
    ]
    return rows


def flow_rows(report: Any) -> list[tuple[str, ...]]:
    """What each stage did to rows, in words."""
    return [
        (
            flow.stage,
            whole(flow.rows_in),
            whole(sum(flow.rejected.values())),
            whole(sum(flow.dropped.values())),
            whole(flow.added),
            whole(flow.rows_out),
        )
        for flow in report.stages
    ]


def cost_rows(report: Any) -> list[tuple[str, ...]]:
    """What each system took, in words."""
    costs = [row.cost for row in report.costs]
    units = [
        ("Parameters", "", [cost.parameters for cost in costs]),
        ("Operations", "FLOP", [cost.flops for cost in costs]),
        ("CPU-seconds", "", [cost.cpu_seconds for cost in costs]),
        ("Wall time", "s", [cost.wall_seconds for cost in costs]),
        ("GPU time", "s", [cost.gpu_seconds for cost in costs]),
        ("Peak memory", "B", [cost.peak_bytes for cost in costs]),
        ("Peak memory of GPUs", "B", [cost.gpu_peak_bytes for cost in costs]),
    ]
    told = [row for row in units if "GPU" not in row[0] or any(row[2])]  # where one was held
    rows = [(name, *("-" if v is None else si(v, unit) for v in values)) for name, unit, values in told]
    energy = [f"{si(c.energy.joules, 'J')} ({c.energy.method})" if c.energy else "-" for c in costs]
    shares = (
        ("Use of the processors", [cost.utilisation for cost in costs]),
        ("Waiting for data", [cost.waiting for cost in costs]),
    )
    parts = [(name, *("-" if v is None else f"{v:.1%}" for v in values)) for name, values in shares]
    known = [row for row in parts if any(cell != "-" for cell in row[1:])]
    return [*rows, ("Energy", *energy), *known]


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as aligned lines: the first column to the left, the others to the right."""
    if not rows:
        return []
    table = [head, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    return [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]


def md(text: str) -> str:
    r"""Text that Markdown shows as it is: HTML characters as entities, its own marks after a backslash."""
    marked = _SPECIAL.sub(lambda mark: f"\\{mark.group()}", " ".join(text.split()))
    marked = _NUMBERED.sub(r"\1\\\2", marked)
    return marked.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def md_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; nothing without rows."""
    if not rows:
        return ""
    ruler = ["---", *["---:"] * (len(head) - 1)]
    body = [[md(cell) for cell in row] for row in [head, *rows]]
    return "\n".join(f"| {' | '.join(row)} |" for row in [body[0], ruler, *body[1:]])
