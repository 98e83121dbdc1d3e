"""Both kinds of reports by one name: reading one, and what the web page shows of it."""

from __future__ import annotations

import json
from typing import NamedTuple

from ops.evaluation.forecast.schema import ForecastReport
from ops.evaluation.schema import Report


class Lead(NamedTuple):
    """How much better the model is than its naive rival, in words of the metric, with its interval."""

    metric: str
    value: float
    low: float
    high: float


def read_report(data: bytes) -> Report | ForecastReport:
    """The report that `report.json` holds."""
    kind = ForecastReport if json.loads(data).get("kind") == "forecast" else Report
    return kind.model_validate_json(data)


def lead(report: Report | ForecastReport) -> Lead:
    """The model's lead over the majority class or over persistence; above zero it is better."""
    if isinstance(report, ForecastReport):
        error = next(d for d in report.differences if d.role == "persistence").mae
        return Lead("lead_in_mae", -error.value, -error.high, -error.low)
    accuracy = next(d for d in report.differences if d.role == "majority").accuracy
    return Lead("difference_in_accuracy", accuracy.value, accuracy.low, accuracy.high)


def asset_metadata(report: Report | ForecastReport) -> dict[str, str | int | float]:
    """The main figures by name."""
    if isinstance(report, ForecastReport):
        from ops.evaluation.forecast.render import forecast_metadata

        return forecast_metadata(report)
    from ops.evaluation import summary

    return summary.asset_metadata(report)


def markdown(report: Report | ForecastReport) -> str:
    """Verdict, tables and charts."""
    if isinstance(report, ForecastReport):
        from ops.evaluation.forecast.render import forecast_markdown

        return forecast_markdown(report)
    from ops.evaluation import summary

    return summary.markdown(report)
