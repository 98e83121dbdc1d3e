"""The verdict on a forecast: what the figures say, in words that do not say more than they do."""

from __future__ import annotations

from collections.abc import Sequence

from ops.evaluation.cost import whole
from ops.evaluation.forecast.schema import ForecastDifference, ForecastScore
from ops.evaluation.schema import CostRow, Verdict
from ops.evaluation.verdict import cost_relation, figure, outcome_of_less, signed, signed_span, span, spent, title_of


def judge(
    scores: Sequence[ForecastScore],
    differences: Sequence[ForecastDifference],
    costs: Sequence[CostRow],
    *,
    label: str,
    test_rows: int,
    train_rows: int,
) -> Verdict:
    """The verdict on the mean absolute error.

    The model counts as better or worse than the baseline only when the interval of the paired difference leaves out
    zero, and as useful only when it is nearer than persistence in the same sense.
    """
    by_role = {score.role: score for score in scores}
    against = {difference.role: difference for difference in differences}
    outcome = outcome_of_less(against["persistence"].mae, against["baseline"].mae if "baseline" in against else None)
    baseline = by_role.get("baseline")
    other = against.get("baseline") or against["persistence"]
    model, naive = by_role["model"], by_role["persistence"]
    rival = f"{figure(baseline.mae.value)} {span(baseline.mae)} for {baseline.name} and " if baseline else ""
    return Verdict(
        outcome=outcome,
        title=title_of(
            outcome, baseline.name if baseline else None, "No better than that tomorrow will be as today", "persistence"
        ),
        headline=f"Mean absolute error of {label} {figure(model.mae.value)} {span(model.mae)} against {rival}"
        f"{figure(naive.mae.value)} for persistence, skill {figure(model.skill.value)}, in {whole(test_rows)} "
        f"forecasts; trained on {whole(train_rows)} examples{spent(costs)}.",
        detail=" ".join(
            [
                f"Paired difference from {other.against}: {signed(other.mae.value)} {signed_span(other.mae)} in mean "
                f"absolute error, {signed(other.rmse.value)} {signed_span(other.rmse)} in root mean squared "
                "error; less is better (95% intervals over weeks of the test split).",
                *cost_relation(costs),
            ]
        ),
    )
