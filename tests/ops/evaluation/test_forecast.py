"""The report of a forecast: errors and intervals against loops, the verdict's words, and the page's figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ops.errors import BadData
from ops.evaluation.baselines.base import Fitted
from ops.evaluation.cost import Cost
from ops.evaluation.forecast.bootstrap import resample_errors
from ops.evaluation.forecast.build import Forecasts, build_forecast_report
from ops.evaluation.forecast.render import forecast_markdown, forecast_metadata, render_forecast
from ops.evaluation.forecast.schema import ForecastReport
from ops.evaluation.reports import lead, read_report
from ops.evaluation.schema import Subject
from tests.ops.evaluation.given import with_given
from tests.ops.evaluation.page import Page

HOSTILE = "<script>x</script>"


def forecasts(rows: int = 240, noise: float = 1.0, seed: int = 0) -> Forecasts:
    random = np.random.default_rng(seed)
    truth = random.normal(50, 10, (rows, 3))
    truth[random.random((rows, 3)) < 0.1] = np.nan
    filled = np.nan_to_num(truth, nan=50.0)
    return Forecasts(
        ids=[f"2020-01/{n}" for n in range(rows)],
        moments=[f"2020-01-01 {n:02d}:00 UTC" for n in range(rows)],
        blocks=np.arange(rows) // 12,
        past=random.normal(50, 10, (rows, 5)),
        truth=truth,
        predicted=filled + random.normal(0, noise, (rows, 3)),
        persistence=filled + random.normal(0, 5, (rows, 3)),
    )


def report(test: Forecasts | None = None, rival: float | None = 3.0, **changes: Any) -> ForecastReport:
    test = test or forecasts()
    said = np.nan_to_num(test.truth, nan=50.0) + np.random.default_rng(9).normal(0, rival or 1.0, test.truth.shape)
    baseline = Fitted("Trees", said, Cost(cpu_seconds=2.0), "a note") if rival else None
    subject = Subject(
        recipe="dust", description=f"Forecasts {HOSTILE}.", task="forecasting", modality="table", model="A model",
        seed=1, fingerprint="f", settings="name: dust",
    )  # fmt: skip
    told: dict[str, Any] = {
        "subject": subject, "label": f"dust {HOSTILE}", "minutes": 60, "test": test,
        "splits": {"train": 900, "valid": 200, "test": len(test.ids)}, "flows": [], "inputs": [],
        "history": [{"step": s, "loss": 1 / s, "valid_loss": 2 / s, "valid_mae": 9 / s} for s in range(1, 9)],
        "model_cost": Cost(cpu_seconds=6.0, parameters=10), "baseline": baseline, "resamples": 300,
    }  # fmt: skip
    return with_given(build_forecast_report, **(told | changes))


def test_errors_and_intervals_are_those_of_loops_over_weeks() -> None:
    test = forecasts(60)
    systems = {"a": test.predicted, "b": test.persistence}
    found = resample_errors(test.truth, systems, test.blocks, resamples=400, seed=3)
    drawn = np.random.default_rng(3).multinomial(5, np.full(5, 0.2), size=400)
    for name, said in systems.items():
        errors = [np.abs(said - test.truth)[test.blocks == b] for b in range(5)]
        assert found[name].mae == pytest.approx(np.nanmean(np.concatenate(errors)))
        assert found[name].mse == pytest.approx(np.nanmean(np.concatenate(errors) ** 2))
        for number in (0, 57, 399):
            rows = np.concatenate([e for e, count in zip(errors, drawn[number], strict=True) for _ in range(count)])
            assert found[name].drawn_mae[number] == pytest.approx(np.nanmean(rows))
            assert found[name].drawn_mse[number] == pytest.approx(np.nanmean(rows**2))


def test_weeks_are_drawn_and_not_rows() -> None:
    """Where rows of a week are alike, intervals over rows would be far too narrow."""
    random = np.random.default_rng(0)
    blocks = np.arange(1000) // 100
    truth = np.zeros((1000, 1))
    said = np.repeat(random.normal(0, 1, 10), 100)[:, None]
    found = resample_errors(truth, {"a": said}, blocks, resamples=2000, seed=0)["a"].drawn_mae
    weeks = np.abs(said[::100, 0])
    assert found.std() == pytest.approx(weeks.std() / 10**0.5, rel=0.1)


def test_the_figures_of_the_report_are_means_over_known_steps() -> None:
    test = forecasts()
    made = report(test)
    model, naive = made.scores[0], made.scores[-1]
    errors, rival = np.abs(test.predicted - test.truth), np.abs(test.persistence - test.truth)
    assert model.mae.value == pytest.approx(np.nanmean(errors), abs=1e-6)
    assert model.rmse.value == pytest.approx(np.nanmean(errors**2) ** 0.5, abs=1e-6)
    assert model.skill.value == pytest.approx(1 - np.nanmean(errors**2) / np.nanmean(rival**2), abs=1e-6)
    assert model.mae.low < model.mae.value < model.mae.high and naive.skill.value == 0
    np.testing.assert_allclose([row.model for row in made.steps], np.nanmean(errors, axis=0), atol=1e-6)
    assert [row.rows for row in made.steps] == (~np.isnan(test.truth)).sum(axis=0).tolist()
    assert made.known_steps == sum(row.rows for row in made.steps) and made.blocks == 20
    difference = next(d for d in made.differences if d.role == "baseline")
    assert difference.mae.value == pytest.approx(model.mae.value - made.scores[1].mae.value, abs=2e-6)
    assert lead(made).value == pytest.approx(naive.mae.value - model.mae.value, abs=2e-6)
    for sample in made.samples:
        row = test.ids.index(sample.id)
        assert [value is None for value in sample.truth] == np.isnan(test.truth[row]).tolist()


@pytest.mark.parametrize(
    ("noise", "rival", "outcome", "title"),
    [
        (1.0, 3.0, "better", "Better than Trees"),
        (3.0, 3.0, "even", "No clear difference from Trees"),
        (3.0, 1.0, "worse", "Trees is better than this model"),
        (9.0, 3.0, "useless", "No better than that tomorrow will be as today"),
        (1.0, None, "better", "Better than persistence; no classical baseline was run"),
    ],
)
def test_the_verdict_says_no_more_than_the_intervals(
    noise: float, rival: float | None, outcome: str, title: str
) -> None:
    made = report(forecasts(noise=noise), rival)
    assert (made.verdict.outcome, made.verdict.title) == (outcome, title)
    assert (lead(made).low > 0) == (outcome != "useless")


def test_every_figure_of_the_page_is_that_of_the_data() -> None:
    made = report()
    text = render_forecast(made)
    Page(text).agrees_with(made.model_dump(mode="json"))
    assert HOSTILE not in text and "<script" not in text
    assert text == render_forecast(read_report(made.model_dump_json().encode()))  # type: ignore[arg-type]


def test_markdown_and_metadata_have_the_same_figures() -> None:
    made = report()
    shown, figures = forecast_markdown(made), forecast_metadata(made)
    assert "<script" not in shown and f"{made.scores[0].mae.value:.3f}" in shown
    assert figures["mae"] == made.scores[0].mae.value and figures["baseline_mae"] == made.scores[1].mae.value
    assert figures["persistence_rmse"] == made.scores[2].rmse.value and figures["verdict"] == "better"


def test_forecasts_that_do_not_fit_are_refused() -> None:
    test = forecasts(20)
    wrong = {"predicted": test.predicted[:, :2], "persistence": test.persistence * np.nan, "ids": test.ids[1:]}
    for name, value in wrong.items():
        with pytest.raises(BadData):
            report(Forecasts(**{**vars(test), name: value}), None)
    with pytest.raises(BadData, match="it is known what came"):
        report(Forecasts(**{**vars(test), "truth": test.truth * np.nan}), None)
