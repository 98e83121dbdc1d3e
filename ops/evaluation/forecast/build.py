"""Building the report of a forecast: one structure from forecasts, manifests and history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.errors import BadData
from ops.evaluation.baselines.base import Fitted
from ops.evaluation.curves import curves_of
from ops.evaluation.forecast.bootstrap import Errors, Numbers, resample_errors
from ops.evaluation.forecast.schema import (
    ForecastCurves,
    ForecastDifference,
    ForecastReport,
    ForecastSample,
    ForecastScore,
    Role,
    SplitRows,
    StepRow,
)
from ops.evaluation.forecast.verdict import judge
from ops.evaluation.given import Given
from ops.evaluation.report import estimate
from ops.evaluation.text import line

FEW_BLOCKS = 12
DIGITS = 3
"""Decimals of single forecasts in the samples."""


@dataclass(frozen=True, eq=False)
class Forecasts:
    """The test split as the model saw it.

    Attributes:
        ids: id of the last row before each forecast.
        moments: its moment.
        blocks: (rows,) number of its week.
        past: (rows, history) what is forecast, before it.
        truth: (rows, horizon) what came, NaN where it is not known.
        predicted: (rows, horizon) what the model said.
        persistence: (rows, horizon) what persistence says.
    """

    ids: Sequence[str]
    moments: Sequence[str]
    blocks: NDArray[np.int64]
    past: Numbers
    truth: Numbers
    predicted: Numbers
    persistence: Numbers


def build_forecast_report(
    given: Given, *, label: str, minutes: int, test: Forecasts, splits: Mapping[str, int], samples: int = 6
) -> ForecastReport:
    """Judge a model on its test rows and gather what a reader needs to know.

    Args:
        given: what every report is made from.
        label: column that is forecast.
        minutes: minutes of a step.
        test: the test rows with the model's forecasts.
        splits: examples by split.
        samples: how many forecasts to show.

    Raises:
        BadData: forecasts that do not fit each other, or no known truth.
        IntegrityError: a flow whose rows do not add up.
    """
    systems = _systems(test, given.baseline)
    scores, differences = _scores(test, systems, given)
    known, weeks = int((~np.isnan(test.truth)).sum()), len(np.unique(test.blocks))
    rows = {"test_rows": len(test.ids), "train_rows": splits["train"]}
    return ForecastReport(
        **given.fields(),
        verdict=judge(scores, differences, given.costs(), label=line(label), **rows),
        label=line(label),
        history=test.past.shape[1],
        horizon=test.truth.shape[1],
        minutes=minutes,
        test_rows=len(test.ids),
        known_steps=known,
        scores=scores,
        differences=differences,
        blocks=weeks,
        steps=_steps(test.truth, systems),
        curves=_curves(given.history),
        splits=[SplitRows(split=name, rows=rows) for name, rows in splits.items()],
        samples=_samples(test, systems, samples, given.subject.seed),
        notes=_notes(test, known, weeks, given.baseline),
    )


def _scores(
    test: Forecasts, systems: Mapping[Role, Numbers], given: Given
) -> tuple[list[ForecastScore], list[ForecastDifference]]:
    said = {str(role): forecasts for role, forecasts in systems.items()}
    errors = resample_errors(test.truth, said, test.blocks, resamples=given.resamples, seed=given.subject.seed)
    names: dict[Role, str] = {"model": "Model", "baseline": given.rival, "persistence": "Persistence"}
    notes: dict[Role, str] = {"baseline": given.rival_note}
    scores = [_score(role, names[role], errors, notes.get(role, "")) for role in systems]
    return scores, [_difference(role, names[role], errors) for role in systems if role != "model"]


def _curves(history: Iterable[Mapping[str, Any]]) -> ForecastCurves:
    found = curves_of(history, ("loss", "valid_loss", "valid_mae"))
    return ForecastCurves(train_loss=found["loss"], valid_loss=found["valid_loss"], valid_mae=found["valid_mae"])


def _systems(test: Forecasts, baseline: Fitted | None) -> dict[Role, Numbers]:
    shape = test.truth.shape
    systems: dict[Role, Numbers] = {"model": test.predicted}
    if baseline is not None:
        systems["baseline"] = np.asarray(baseline.predictions, np.float64)
    systems["persistence"] = test.persistence
    for role, said in systems.items():
        if said.shape != shape:
            raise BadData(f"{role}: forecasts of shape {said.shape}, the truth has {shape}")
        if not np.isfinite(said).all():
            raise BadData(f"{role}: a forecast is no finite number")
    if not len(test.ids) == len(test.moments) == len(test.past) == shape[0]:
        raise BadData(f"{len(test.ids)} ids for {shape[0]} forecasts")
    if np.isnan(test.truth).all():
        raise BadData("of no test row it is known what came", where="report")
    return systems


def _score(role: Role, name: str, errors: Mapping[str, Errors], note: str) -> ForecastScore:
    own, naive = errors[role], errors["persistence"]
    return ForecastScore(
        name=name,
        role=role,
        mae=estimate(own.mae, own.drawn_mae),
        rmse=estimate(own.mse**0.5, np.sqrt(own.drawn_mse)),
        skill=estimate(_skill(own.mse, naive.mse), _skill(own.drawn_mse, naive.drawn_mse)),
        note=note,
    )


def _skill(mse: Any, naive: Any) -> Any:
    """1 - MSE / MSE of persistence; 0 where persistence is perfect."""
    return np.where(np.asarray(naive) > 0, 1.0 - mse / np.maximum(naive, 1e-300), 0.0)[()]


def _difference(role: Role, name: str, errors: Mapping[str, Errors]) -> ForecastDifference:
    own, other = errors["model"], errors[role]
    return ForecastDifference(
        against=name,
        role=role,
        mae=estimate(own.mae - other.mae, own.drawn_mae - other.drawn_mae),
        rmse=estimate(own.mse**0.5 - other.mse**0.5, np.sqrt(own.drawn_mse) - np.sqrt(other.drawn_mse)),
    )


def _steps(truth: Numbers, systems: Mapping[Role, Numbers]) -> list[StepRow]:
    """Errors by step ahead; steps of which no truth is known are left out."""
    known = ~np.isnan(truth)
    rows = known.sum(axis=0)
    means = {
        role: np.where(known, np.abs(said - np.nan_to_num(truth)), 0.0).sum(axis=0) / np.maximum(rows, 1)
        for role, said in systems.items()
    }
    return [
        StepRow(
            ahead=step + 1,
            rows=int(rows[step]),
            model=round(float(means["model"][step]), 6),
            baseline=round(float(means["baseline"][step]), 6) if "baseline" in means else None,
            persistence=round(float(means["persistence"][step]), 6),
        )
        for step in range(truth.shape[1])
        if rows[step]
    ]


def _samples(test: Forecasts, systems: Mapping[Role, Numbers], limit: int, seed: int) -> list[ForecastSample]:
    """Forecasts drawn by the seed, in the order of time."""
    rows = sorted(np.random.default_rng(seed).permutation(len(test.ids))[:limit].tolist())
    return [
        ForecastSample(
            id=line(test.ids[row]),
            moment=line(test.moments[row]),
            past=_rounded(test.past[row]),
            truth=[None if np.isnan(value) else round(float(value), DIGITS) for value in test.truth[row]],
            model=_rounded(systems["model"][row]),
            baseline=_rounded(systems["baseline"][row]) if "baseline" in systems else None,
            persistence=_rounded(systems["persistence"][row]),
        )
        for row in rows
    ]


def _rounded(values: Numbers) -> list[float]:
    return [round(float(value), DIGITS) for value in values]


def _notes(test: Forecasts, known: int, weeks: int, baseline: Fitted | None) -> list[str]:
    notes = ["Forecasts of neighbouring steps are nearly the same: intervals are drawn over whole weeks of test rows."]
    if weeks < FEW_BLOCKS:
        notes.append(f"The test split has rows of only {weeks} weeks: the intervals may be too narrow.")
    unknown = test.truth.size - known
    if unknown:
        notes.append(f"Of {test.truth.size:,} steps ahead {unknown:,} have no known truth and were not judged.")
    if baseline is None:
        notes.append("No classical baseline was run, so nothing here shows that a model of this size is needed.")
    return notes
