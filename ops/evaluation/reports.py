"""All kinds of reports by one name: reading one, and what the web page shows of it."""

from __future__ import annotations

import json
from typing import NamedTuple

from ops.evaluation.forecast.schema import ForecastReport
from ops.evaluation.language.schema import LanguageReport
from ops.evaluation.schema import Report

AnyReport = Report | ForecastReport | LanguageReport

_KINDS: dict[str, type[ForecastReport] | type[LanguageReport]] = {
    "forecast": ForecastReport,
    "language": LanguageReport,
}


class Lead(NamedTuple):
    """How much better the model is than its naive rival, in words of the metric, with its interval."""

    metric: str
    value: float
    low: float
    high: float


def read_report(data: bytes) -> AnyReport:
    """The report that `report.json` holds."""
    return _KINDS.get(json.loads(data).get("kind"), Report).model_validate_json(data)


def lead(report: AnyReport) -> Lead:
    """The model's lead over its naive rival; above zero it is better."""
    if isinstance(report, ForecastReport):
        error = next(d for d in report.differences if d.role == "persistence").mae
        return Lead("lead_in_mae", -error.value, -error.high, -error.low)
    if isinstance(report, LanguageReport):
        nats = next(d for d in report.differences if d.role == "unigram").nats
        return Lead("lead_in_nats", -nats.value, -nats.high, -nats.low)
    accuracy = next(d for d in report.differences if d.role == "majority").accuracy
    return Lead("difference_in_accuracy", accuracy.value, accuracy.low, accuracy.high)


def asset_metadata(report: AnyReport) -> dict[str, str | int | float]:
    """The main figures by name."""
    if isinstance(report, ForecastReport):
        from ops.evaluation.forecast.render import forecast_metadata

        return forecast_metadata(report)
    if isinstance(report, LanguageReport):
        from ops.evaluation.language.render import language_metadata

        return language_metadata(report)
    from ops.evaluation import summary

    return summary.asset_metadata(report)


def markdown(report: AnyReport) -> str:
    """Verdict, tables and charts."""
    if isinstance(report, ForecastReport):
        from ops.evaluation.forecast.render import forecast_markdown

        return forecast_markdown(report)
    if isinstance(report, LanguageReport):
        from ops.evaluation.language.render import language_markdown

        return language_markdown(report)
    from ops.evaluation import summary

    return summary.markdown(report)
