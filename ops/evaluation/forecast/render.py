"""The report of a forecast as a page, as Markdown and figures for an asset's metadata."""

from __future__ import annotations

from typing import Any

from ops.evaluation.charts.curves import Line, line_chart, loss_chart
from ops.evaluation.charts.funnel import funnel_chart
from ops.evaluation.forecast.charts import errors_chart, errors_difference_chart, sample_chart, steps_chart
from ops.evaluation.forecast.page import FORECAST_TEMPLATE
from ops.evaluation.forecast.schema import ForecastReport
from ops.evaluation.html import page, page_context, score_tiles
from ops.evaluation.summary import interval_figures, md_table, report_figures, report_markdown
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
    """Markdown; see `report_markdown`."""
    head = ("Forecast", "MAE", "95% interval", "RMSE", "95% interval", "Skill")
    drawn = charts(report)
    shown = [*(drawn[name] for name in _SHOWN), *sample_charts(report)[:2]]
    return report_markdown(report, [md_table(head, _score_rows(report))], shown)


def forecast_metadata(report: ForecastReport) -> dict[str, str | int | float]:
    """The main figures by name; see `report_figures`."""
    by_role = {score.role: score for score in report.scores}
    own: dict[str, float | None] = {}
    for metric in ("mae", "rmse", "skill"):
        own |= interval_figures(metric, getattr(by_role["model"], metric))
    for role in ("persistence", "baseline"):
        if role in by_role:
            own |= {f"{role}_mae": by_role[role].mae.value, f"{role}_rmse": by_role[role].rmse.value}
    return report_figures(report, own)


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
    metrics = {"mae": "Mean absolute error", "skill": "Skill over persistence"}
    tiles = score_tiles(report, fig, metrics, ("Training examples", "rows"), "from {} raw rows")
    total = max(sum(split.rows for split in report.splits), 1)
    return {**page_context(report, fig, tiles, [("steps", "Steps ahead")]), "total_rows": total}
