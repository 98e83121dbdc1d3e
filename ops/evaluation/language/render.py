"""The report of a language model as a page, as Markdown and figures for an asset's metadata."""

from __future__ import annotations

import math
from typing import Any

from ops.evaluation.charts.bars import Bar, bars_chart, less_chart
from ops.evaluation.charts.curves import accuracy_line, loss_chart
from ops.evaluation.charts.frame import Frame
from ops.evaluation.charts.funnel import funnel_chart
from ops.evaluation.html import page, page_context, score_tiles
from ops.evaluation.language.page import LANGUAGE_TEMPLATE
from ops.evaluation.language.schema import LanguageDifference, LanguageReport, PlaceRow
from ops.evaluation.summary import interval_figures, md_table, report_figures, report_markdown
from ops.evaluation.svg import Chart, dot, path
from ops.evaluation.verdict import figure, signed, signed_span, span

STYLES = {"model": "model", "baseline": "baseline", "unigram": "majority"}
LINES = {
    "model": ("line-model", "model"),
    "baseline": ("line-baseline", "baseline"),
    "unigram": ("line-soft", "majority"),
}
_SHOWN = ("scores", "places", "loss", "accuracy", "funnel")


def render_language(report: LanguageReport) -> str:
    """The page; see `ops.evaluation.html.page`."""
    return page(report, LANGUAGE_TEMPLATE, charts(report), lambda fig: _context(report, fig))


def charts(report: LanguageReport) -> dict[str, Chart | None]:
    """All charts of the report; nothing where there is nothing to draw."""
    rival = _rival(report)
    bars = [Bar(score.name, STYLES[score.role], score.nats) for score in report.scores]
    return {
        "scores": bars_chart("nats", "Nats a token with 95% intervals", bars),
        "difference": less_chart("Paired difference in nats a token", rival.against, rival.nats),
        "places": places_chart(report.places),
        "loss": loss_chart(report.curves),
        "accuracy": accuracy_line(report.curves.valid_accuracy),
        "funnel": funnel_chart(report.stages) if report.stages else None,
    }


def places_chart(places: list[PlaceRow]) -> Chart:
    """Nats by how often the number of tokens seen has doubled, a line for each system."""
    lines = {
        role: [(math.log2(row.last), getattr(row, role)) for row in places if getattr(row, role) is not None]
        for role in LINES
    }
    highest = max(value for points in lines.values() for _, value in points)
    frame = Frame(960, 300, 0, max(math.log2(places[-1].last), 1), 0, highest)
    parts = [frame.grid("tokens seen", lambda doubled: f"{2**doubled:,.0f}")]
    for role, points in lines.items():
        line, style = LINES[role]
        parts.append(path([frame(*point) for point in points], line))
        parts += [dot(*frame(x, y), 2.6, style, f"{role}, up to {2**x:.0f} seen: {y:.4g}") for x, y in points]
    said = "; ".join(f"{role}: {p[0][1]:.4g} at first, {p[-1][1]:.4g} at last" for role, p in lines.items() if p)
    return Chart("places", "Nats a token by tokens seen", said, 960, 300, "".join(parts))


def language_markdown(report: LanguageReport) -> str:
    """Markdown; see `report_markdown`."""
    head = ("System", "Nats a token", "95% interval", "Bits a character", "95% interval")
    written = md_table(("Beginning", "The model goes on"), [(s.prompt, s.written) for s in report.samples[:3]])
    drawn = charts(report)
    return report_markdown(report, [md_table(head, _score_rows(report)), written], [drawn[name] for name in _SHOWN])


def language_metadata(report: LanguageReport) -> dict[str, str | int | float]:
    """The main figures by name; see `report_figures`."""
    by_role = {score.role: score for score in report.scores}
    model = by_role["model"]
    own = {
        "test_tokens": report.test_tokens,
        **interval_figures("nats", model.nats),
        "perplexity": report.perplexity,
        "accuracy": report.accuracy,
        "bits_per_character": model.bits.value,
        "bits_per_byte": report.bits_per_byte,
        "unigram_nats": by_role["unigram"].nats.value,
        "baseline_nats": by_role["baseline"].nats.value if "baseline" in by_role else None,
    }
    return report_figures(report, own)


def _rival(report: LanguageReport) -> LanguageDifference:
    return next((d for d in report.differences if d.role == "baseline"), report.differences[0])


def _score_rows(report: LanguageReport) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (s.name, figure(s.nats.value), span(s.nats), figure(s.bits.value), span(s.bits)) for s in report.scores
    ]
    for d in report.differences:
        shown = (signed(d.nats.value), signed_span(d.nats), signed(d.bits.value), signed_span(d.bits))
        rows.append((f"Model minus {d.against}", *shown))
    return rows


def _context(report: LanguageReport, fig: Any) -> dict[str, Any]:
    metrics = {"nats": "Nats a token", "bits": "Bits a character"}
    tiles = score_tiles(report, fig, metrics, ("Training tokens", "tokens"), "from {} raw texts")
    total = max(sum(split.tokens for split in report.splits), 1)
    return {**page_context(report, fig, tiles, [("places", "What was seen")]), "total_tokens": total}
