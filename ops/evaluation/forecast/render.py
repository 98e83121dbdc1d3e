"""The report of a forecast as a page, as Markdown and figures for an asset's metadata."""

from __future__ import annotations

from typing import Any

from ops.evaluation.charts.curves import Line, line_chart, loss_chart
from ops.evaluation.charts.funnel import funnel_chart
from ops.evaluation.forecast.charts import errors_chart, errors_difference_chart, sample_chart, steps_chart
from ops.evaluation.forecast.page import FORECAST_TEMPLATE
from ops.evaluation.forecast.schema import ForecastReport
from ops.evaluation.html import ROWS_SHOWN, cost_notes, cost_table, cost_tiles, page, way
from ops.evaluation.summary import cost_figures, cost_rows, flow_rows, md, md_table
from ops.evaluation.svg import Chart
from ops.evaluation.verdict import figure, signed, signed_span, span

_SHOWN = ("scores", "steps", "loss", "mae", "funnel")


def render_forecast(report: ForecastReport) -> str:
    """The page; see `ops.evaluation.html.page`."""
    drawn = {**charts(report), "samples": sample_charts(report)}
    return page(report, FORECAST_TEMPLATE, drawn, lambda fig: _context(report, fig))


def charts(report: ForecastReport) -> dict[str, Chart | None]:
    """All charts of the report but the samples; nothing where there is nothing to draw."""
    mae: list[Line] = [("validation", "line-model", report.curves.valid_mae)]
    return {
        "scores": errors_chart(report.scores),
        "difference": errors_difference_chart(report.differences),
        "steps": steps_chart(report.steps, report.minutes),
        "loss": loss_chart(report.curves),
        "mae": line_chart("mae", "Validation error by step", mae, "model"),
        "funnel": funnel_chart(report.stages) if report.stages else None,
    }


def sample_charts(report: ForecastReport) -> list[Chart]:
    """A chart for each sample."""
    return [sample_chart(sample, f"sample{place}") for place, sample in enumerate(report.samples)]


def forecast_markdown(report: ForecastReport) -> str:
    """Markdown with the verdict, tables and the charts as SVG data URIs; text from outside is escaped."""
    subject, verdict = report.subject, report.verdict
    parts = [
        f"## {md(subject.recipe)}: {md(verdict.title)}",
        f"**{md(verdict.headline)}**",
        md(verdict.detail),
        md(subject.description),
        md_table(("Forecast", "MAE", "95% interval", "RMSE", "95% interval", "Skill"), _score_rows(report)),
        md_table(("Stage", "In", "Rejected", "Dropped", "Added", "Out"), flow_rows(report)),
        md_table(("Cost", *(row.name for row in report.costs)), cost_rows(report)),
    ]
    drawn = charts(report)
    shown = [*(drawn[name] for name in _SHOWN), *sample_charts(report)[:2]]
    parts += [f"![{md(chart.title)}]({chart.data_uri()})" for chart in shown if chart is not None]
    return "\n\n".join(part for part in parts if part) + "\n"


def forecast_metadata(report: ForecastReport) -> dict[str, str | int | float]:
    """The main figures by name, for an asset's metadata or a metrics file; absent figures are left out."""
    by_role = {score.role: score for score in report.scores}
    model, naive = by_role["model"], by_role["persistence"]
    figures: dict[str, str | int | float | None] = {
        "verdict": report.verdict.outcome,
        "headline": report.verdict.headline,
        "test_rows": report.test_rows,
    }
    for metric in ("mae", "rmse", "skill"):
        found = getattr(model, metric)
        figures |= {metric: found.value, f"{metric}_low": found.low, f"{metric}_high": found.high}
    figures |= {"persistence_mae": naive.mae.value, "persistence_rmse": naive.rmse.value}
    if "baseline" in by_role:
        baseline = by_role["baseline"]
        figures |= {"baseline_mae": baseline.mae.value, "baseline_rmse": baseline.rmse.value}
    figures |= cost_figures(report.costs[0].cost)
    return {name: value for name, value in figures.items() if value is not None}


def _score_rows(report: ForecastReport) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (s.name, figure(s.mae.value), span(s.mae), figure(s.rmse.value), span(s.rmse), figure(s.skill.value))
        for s in report.scores
    ]
    rows += [
        (
            f"Model minus {d.against}",
            signed(d.mae.value),
            signed_span(d.mae),
            signed(d.rmse.value),
            signed_span(d.rmse),
            "",
        )
        for d in report.differences
    ]
    return rows


def _context(report: ForecastReport, fig: Any) -> dict[str, Any]:
    sections = [("result", "Result"), ("steps", "Steps ahead")]
    if report.curves.train_loss or report.curves.valid_loss or report.curves.valid_mae:
        sections.append(("training", "Training"))
    sections += [("data", "Data"), *([("samples", "Samples")] if report.samples else [])]
    sections += [("cost", "Cost"), ("provenance", "Provenance"), ("limits", "Limits")]
    return {
        "tiles": _tiles(report, fig),
        "sections": sections,
        "rival": next((d for d in report.differences if d.role == "baseline"), report.differences[0]),
        "rows_shown": ROWS_SHOWN,
        "any_added": any(flow.added for flow in report.stages),
        "any_lost": any(flow.rejected or flow.dropped for flow in report.stages),
        "total_rows": max(sum(split.rows for split in report.splits), 1),
        "costs": cost_table(report, fig),
        "cost_notes": cost_notes(report),
    }


def _tiles(report: ForecastReport, fig: Any) -> list[dict[str, Any]]:
    model = report.scores[0]
    named = (("Mean absolute error", "mae", model.mae), ("Skill over persistence", "skill", model.skill))
    tiles = [
        {"name": name, "figure": fig(f"scores.0.{key}.value", "score"), "sub": f"{figure(e.low)} to {figure(e.high)}"}
        for name, key, e in named
    ]
    train = next(i for i, split in enumerate(report.splits) if split.split == "train")
    tiles.append({"name": "Training examples", "figure": fig(f"splits.{train}.rows", "count"), "sub": way(report)})
    return tiles + cost_tiles(report.costs[0].cost, fig)
