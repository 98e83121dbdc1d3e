"""Rendering the report as one self-contained page."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ops.errors import IntegrityError
from ops.evaluation.charts.balance import STYLES, balance_chart
from ops.evaluation.charts.confusion import confusion_chart
from ops.evaluation.charts.curves import accuracy_chart, loss_chart
from ops.evaluation.charts.funnel import funnel_chart
from ops.evaluation.charts.scores import difference_chart, scores_chart
from ops.evaluation.charts.trials import trials_chart
from ops.evaluation.cost import Cost, si, whole
from ops.evaluation.page import TEMPLATE
from ops.evaluation.schema import Report
from ops.evaluation.style import PAGE_STYLE
from ops.evaluation.svg import Chart
from ops.evaluation.verdict import DASH, figure, signed

LIMIT = 2_000_000
ROWS_SHOWN = 200
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
MARK = (
    '<svg viewBox="0 0 22 22" aria-hidden="true" focusable="false"><circle cx="11" cy="11" r="9.5" fill="none" '
    'stroke="var(--model)" stroke-width="2"/><path d="M4 12a7 7 0 0 0 14 0z" fill="var(--model)"/></svg>'
)
Section = tuple[str, str]
"""A section's anchor, and its name for the reader."""
FORMATS: dict[str, Callable[[Any], str]] = {
    "score": figure,
    "signed": signed,
    "count": whole,
    "percent": lambda value: f"{100 * value:.1f}%",
    "plain": str,
    "short": lambda value: f"{value:.4g}",
    "si": si,
    "seconds": lambda value: si(value, "s"),
    "bytes": lambda value: si(value, "B"),
    "joules": lambda value: si(value, "J"),
    "flops": lambda value: si(value, "FLOP"),
}


def render(report: Report) -> str:
    """The page of a classifier's report; see `page`."""
    return page(report, TEMPLATE, charts(report), lambda fig: _context(report, fig))


def page(report: Any, template: str, drawn: Mapping[str, Any], context: Callable[[Any], dict[str, Any]]) -> str:
    """A report as a page: no network, no script, everything that came from outside escaped.

    The same report gives the same text.

    Args:
        report: any kind of report.
        template: its template.
        drawn: its charts by name; lists of them, or nothing.
        context: what else the template names, made with the function that marks figures up.

    Raises:
        IntegrityError: the page would be larger than 2 MB.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup, escape

    data = report.model_dump(mode="json")

    def fig(place: str, kind: str) -> Markup:
        value = look_up(data, place)
        return Markup('<data value="{}" data-path="{}">{}</data>').format(value, place, FORMATS[kind](value))

    def user(text: str) -> Markup:
        return Markup("<bdi>{}</bdi>").format(text)

    def unbroken(text: str) -> Markup:
        return Markup(re.sub(r"\[[^\[\]<>]{1,40}\]", r'<span class="nowrap">\g<0></span>', str(escape(text))))

    def reasons(counts: Mapping[str, int]) -> Markup:
        items = Markup("").join(
            Markup("<li>{} <b>{}</b></li>").format(user(reason), whole(rows)) for reason, rows in counts.items()
        )
        return Markup('<ul class="chips">{}</ul>').format(items) if items else escape(DASH)

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    text = environment.from_string(template).render(
        r=report,
        fig=fig,
        user=user,
        unbroken=unbroken,
        reasons=reasons,
        policy=POLICY,
        style=Markup(PAGE_STYLE),
        mark=Markup(MARK),
        charts={name: _inline(chart) for name, chart in drawn.items()},
        styles=STYLES,
        **context(fig),
    )
    size = len(text.encode())
    if size > LIMIT:
        raise IntegrityError(
            f"the report would take {si(size, 'B')}, more than {si(LIMIT, 'B')}", hint="show fewer samples"
        )
    return text + "\n"


def _inline(drawn: Any) -> Any:
    from markupsafe import Markup

    if isinstance(drawn, list):
        return [_inline(chart) for chart in drawn]
    return Markup(drawn.inline()) if drawn else ""


def charts(report: Report) -> dict[str, Chart | None]:
    """All charts of the report; nothing where there is nothing to draw."""
    return {
        "scores": scores_chart(report.scores),
        "difference": difference_chart(report.differences),
        "confusion": confusion_chart(report.classes, report.confusion) if report.confusion else None,
        "loss": loss_chart(report.curves),
        "accuracy": accuracy_chart(report.curves),
        "funnel": funnel_chart(report.stages) if report.stages else None,
        "balance": balance_chart(report.classes, report.splits),
    }


def look_up(data: Any, place: str) -> Any:
    """The value at a dotted path of the report's JSON: `scores.0.accuracy.value`."""
    for key in place.split("."):
        data = data[int(key)] if isinstance(data, list) else data[key]
    return data


def _context(report: Report, fig: Any) -> dict[str, Any]:
    weakest = sorted(range(len(report.per_class)), key=lambda i: (report.per_class[i].f1, i))[:ROWS_SHOWN]
    sheet = [("augmentation", "Augmentation")] if report.contact_sheet is not None else []
    tiles = score_tiles(
        report, fig, {"accuracy": "Accuracy", "macro_f1": "Macro F1"}, ("Training rows", "rows"), "of {} raw rows"
    )
    return {
        **page_context(report, fig, tiles, [("classes", "Classes")], sheet),
        "class_rows": [(i, report.per_class[i]) for i in sorted(weakest)],
        "total_rows": max(sum(split.rows for split in report.splits), 1),
    }


def page_context(
    report: Any, fig: Any, tiles: list[dict[str, Any]], own: Sequence[Section], behind: Sequence[Section] = ()
) -> dict[str, Any]:
    """What the templates of all kinds of reports name.

    Args:
        report: any kind of report.
        fig: marks figures up.
        tiles: its tiles.
        own: the sections that its kind has behind the result.
        behind: those behind the data.
    """
    trained = any(report.curves.model_dump().values()) or any(t.source != "training" for t in report.learned)
    sampled = report.samples or getattr(report, "mistakes", ())
    sections = [("result", "Result"), *own, *([("training", "Training")] if trained else []), ("data", "Data")]
    sections += [*behind, *([("samples", "Samples")] if sampled else [])]
    return {
        "tiles": tiles,
        "sections": [*sections, ("cost", "Cost"), ("provenance", "Provenance"), ("limits", "Limits")],
        "rival": next((d for d in report.differences if d.role == "baseline"), report.differences[0]),
        "rows_shown": ROWS_SHOWN,
        "any_added": any(flow.added for flow in report.stages),
        "any_lost": any(flow.rejected or flow.dropped for flow in report.stages),
        "costs": cost_table(report, fig),
        "cost_notes": cost_notes(report),
        "learned_charts": [table.curves and _inline(trials_chart(table.curves)) for table in report.learned],
    }


def score_tiles(
    report: Any, fig: Any, metrics: Mapping[str, str], counted: tuple[str, str], raw: str
) -> list[dict[str, Any]]:
    """The tiles of the model's scores, of what it was trained on, and of what it took.

    Args:
        report: any kind of report.
        fig: marks figures up.
        metrics: names for the reader by the scores' fields.
        counted: what the splits count, for the reader and as their field.
        raw: what came in, as in "of {} raw rows": not always what the splits count.
    """
    tiles = []
    for key, name in metrics.items():
        found = getattr(report.scores[0], key)
        shown = fig(f"scores.0.{key}.value", "score")
        tiles.append({"name": name, "figure": shown, "sub": f"{figure(found.low)} to {figure(found.high)}"})
    train = next(i for i, split in enumerate(report.splits) if split.split == "train")
    name, key = counted
    tiles.append({"name": name, "figure": fig(f"splits.{train}.{key}", "count"), "sub": way(report, raw)})
    return tiles + cost_tiles(report.costs[0].cost, fig)


def cost_tiles(own: Cost, fig: Any) -> list[dict[str, Any]]:
    """The tiles of what the model took."""
    tiles = []
    if own.parameters is not None:
        sub = "" if own.flops is None else f"{si(own.flops, 'FLOP')} to train"
        tiles.append({"name": "Parameters", "figure": fig("costs.0.cost.parameters", "si"), "sub": sub})
    if own.cpu_seconds is not None:
        sub = "" if own.wall_seconds is None else f"{si(own.wall_seconds, 's')} from start to end"
        tiles.append({"name": "CPU-seconds", "figure": fig("costs.0.cost.cpu_seconds", "si"), "sub": sub})
    if own.energy is not None:
        shown = fig("costs.0.cost.energy.joules", "joules")
        tiles.append({"name": "Energy", "figure": shown, "sub": own.energy.method})
    return tiles


def way(report: Any, raw: str) -> str:
    """How many rows there were, and how many were lost on the way to the model."""
    if not report.stages:
        return ""
    lost = sum(sum(f.rejected.values()) + sum(f.dropped.values()) for f in report.stages)
    return f"{raw.format(whole(report.stages[0].rows_in))}, {whole(lost)} lost"


_COSTS = (
    ("Parameters", "parameters", "count"),
    ("Operations", "flops", "flops"),
    ("CPU-seconds", "cpu_seconds", "si"),
    ("Wall time", "wall_seconds", "seconds"),
    ("GPU time", "gpu_seconds", "seconds"),
    ("Peak memory", "peak_bytes", "bytes"),
    ("Peak memory of GPUs", "gpu_peak_bytes", "bytes"),
)


def cost_table(report: Any, fig: Any) -> list[tuple[str, list[tuple[Any, str]]]]:
    """The rows of the table of costs: name, and a cell with its note for each system."""
    table = []
    for name, key, kind in _COSTS:
        if key.startswith("gpu_") and not any(getattr(row.cost, key) for row in report.costs):
            continue  # no GPU was held
        cells = [
            (DASH if getattr(row.cost, key) is None else fig(f"costs.{i}.cost.{key}", kind), "")
            for i, row in enumerate(report.costs)
        ]
        table.append((name, cells))
    energies = [
        (fig(f"costs.{i}.cost.energy.joules", "joules"), row.cost.energy.method) if row.cost.energy else (DASH, "")
        for i, row in enumerate(report.costs)
    ]
    return [*table, ("Energy", energies)]


def cost_notes(report: Any) -> list[str]:
    """How operations and energy were counted."""
    notes = []
    for row in report.costs:
        cost: Cost = row.cost
        parts = [f"operations: {cost.flops_how}"] if cost.flops_how else []
        parts += [f"energy {cost.energy.method}: {cost.energy.how}"] if cost.energy else []
        if parts:
            notes.append(f"{row.name}: {'; '.join(parts)}.")
    return notes
