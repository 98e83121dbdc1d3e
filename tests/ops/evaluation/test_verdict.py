from __future__ import annotations

import pytest

from ops.evaluation.cost import Cost
from ops.evaluation.schema import CostRow, Difference, Estimate, Role, Score
from ops.evaluation.verdict import judge, signed

HALF = Estimate(value=0.5, low=0.45, high=0.55)
NAMES: dict[Role, str] = {"model": "Model", "baseline": "SVM", "majority": "Majority class"}


def verdict(majority: tuple[float, float], baseline: tuple[float, float] | None = None, seconds: float = 1.0) -> str:
    rivals: dict[Role, tuple[float, float]] = {"majority": majority}
    if baseline is not None:
        rivals["baseline"] = baseline
    differences = []
    for role, (low, high) in rivals.items():
        estimate = Estimate(value=(low + high) / 2, low=low, high=high)
        differences.append(Difference(against=NAMES[role], role=role, accuracy=estimate, macro_f1=estimate))
    roles: list[Role] = ["model", *rivals]
    scores = [Score(name=NAMES[role], role=role, accuracy=HALF, macro_f1=HALF) for role in roles]
    costs = [
        CostRow(name="Model", role="model", cost=Cost(cpu_seconds=seconds)),
        CostRow(name="SVM", role="baseline", cost=Cost(cpu_seconds=2.0)),
    ]
    made = judge(scores, differences, costs, test_rows=10, train_rows=20)
    return f"{made.outcome}: {made.title}. {made.headline} {made.detail}"


@pytest.mark.parametrize(
    ("majority", "baseline", "expected"),
    [
        ((0.1, 0.2), (0.01, 0.2), "better: Better than SVM"),
        ((0.1, 0.2), (-0.01, 0.2), "even: No clear difference from SVM"),
        ((0.1, 0.2), (0.0, 0.2), "even:"),
        ((0.1, 0.2), (-0.2, 0.01), "even:"),
        ((0.1, 0.2), (-0.2, -0.01), "worse: SVM is better than this model"),
        ((-0.01, 0.2), (0.01, 0.2), "useless: No better than always guessing"),
        ((-0.01, 0.2), None, "useless:"),
        ((0.01, 0.2), None, "better: Better than the majority class; no classical baseline"),
    ],
)
def test_only_an_interval_on_one_side_of_zero_decides(
    majority: tuple[float, float], baseline: tuple[float, float] | None, expected: str
) -> None:
    assert verdict(majority, baseline).startswith(expected)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (30.0, "The model took 15 times the CPU time of the baseline."),
        (5.0, "The model took 2.5 times the CPU time of the baseline."),
        (0.5, "The baseline took 4.0 times the CPU time of the model."),
    ],
)
def test_costs_are_compared_in_the_direction_they_have(seconds: float, expected: str) -> None:
    assert verdict((0.1, 0.2), (0.1, 0.2), seconds).endswith(expected)


def test_a_rounded_zero_has_no_sign() -> None:
    assert [signed(v) for v in (0.0004, -0.0004, 0.0005, -0.1)] == ["0.000", "0.000", "+0.001", "\N{MINUS SIGN}0.100"]
