"""The report of a forecast as data: what its page, report.json, Dagster's metadata and the terminal show."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ops.config import Config
from ops.evaluation.schema import Common, Estimate, LossCurves, Point

Role = Literal["model", "baseline", "persistence"]


class ForecastCurves(LossCurves):
    """Learning curves of a forecast."""

    valid_mae: list[Point] = Field(default_factory=list)
    """Mean absolute error on the validation split."""


class ForecastScore(Config):
    """How near one forecast is to the truth of the test split."""

    name: str
    """Its name."""

    role: Role
    """Whether it is the model or something to beat."""

    mae: Estimate
    """Mean absolute error, in the label's unit."""

    rmse: Estimate
    """Root mean squared error, likewise."""

    skill: Estimate
    """1 - MSE / MSE of persistence: 1 is perfect, 0 no better than that tomorrow is as today."""

    note: str = ""
    """What a reader must know about it."""


class ForecastDifference(Config):
    """The model's error minus another's, on the same resamples: below zero the model is nearer."""

    against: str
    """Name of the other forecast."""

    role: Role
    """Its role."""

    mae: Estimate
    """Difference in mean absolute error."""

    rmse: Estimate
    """Difference in root mean squared error."""


class StepRow(Config):
    """Mean absolute errors of one step ahead."""

    ahead: int
    """Steps ahead, from 1."""

    rows: int
    """Test rows whose truth at that step is known."""

    model: float
    """Of the model."""

    baseline: float | None
    """Of the baseline, where there is one."""

    persistence: float
    """Of persistence."""


class SplitRows(Config):
    """Examples of one split."""

    split: str
    """Its name."""

    rows: int
    """Its examples."""


class ForecastSample(Config):
    """One forecast of the test split beside what came."""

    id: str
    """Id of the last row before it."""

    moment: str
    """Moment of that row."""

    past: list[float]
    """The last steps before it, oldest first."""

    truth: list[float | None]
    """What came; null where it is not known."""

    model: list[float]
    """What the model said."""

    baseline: list[float] | None
    """What the baseline said, where there is one."""

    persistence: list[float]
    """What persistence says."""


class ForecastReport(Common):
    """Everything about one forecasting model that a reader needs to judge it."""

    format: Literal[1] = 1
    """Version of this structure."""

    kind: Literal["forecast"] = "forecast"
    """What is reported on."""

    label: str
    """Column that is forecast."""

    history: int
    """Steps that the model looks back on."""

    horizon: int
    """Steps ahead."""

    minutes: int
    """Minutes of a step."""

    test_rows: int
    """Examples of the test split; each is a forecast of all steps ahead."""

    known_steps: int
    """Steps ahead whose truth is known: the errors are means over these."""

    scores: list[ForecastScore]
    """The model, the baseline where there is one, persistence."""

    differences: list[ForecastDifference]
    """The model against each of the others."""

    blocks: int
    """Weeks that the resamples are drawn from."""

    steps: list[StepRow]
    """Errors by step ahead."""

    curves: ForecastCurves
    """Learning curves."""

    splits: list[SplitRows]
    """Examples by split."""

    samples: list[ForecastSample]
    """Some forecasts of the test split."""
