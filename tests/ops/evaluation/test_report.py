from __future__ import annotations

import json

import numpy as np
import pytest

from ops.config import Config, describe
from ops.errors import BadData
from ops.evaluation import schema
from ops.evaluation.cost import Cost
from ops.evaluation.report import TestRows, build_report
from ops.evaluation.schema import Report, Subject
from tests.ops.evaluation.example import text_report
from tests.ops.evaluation.given import with_given


def tiny(**changes: object) -> Report:
    truth = np.array([0, 1, 1, 2] * 10)
    predicted = np.array([0, 1, 2, 2] * 10)
    subject = Subject(
        recipe="tiny", description="", task="text_classification", modality="text", model="", seed=1,
        fingerprint="f", settings="satiety run tiny",
    )  # fmt: skip
    arguments: dict[str, object] = {
        "subject": subject,
        "classes": ["a", "b", "c"],
        "test": TestRows([str(i) for i in range(40)], ["text"] * 40, truth, predicted),
        "balance": {"train": [5, 9, 7], "test": [10, 20, 10]},
        "flows": [],
        "history": [],
        "inputs": [],
        "model_cost": Cost(),
    }
    return with_given(build_report, **(arguments | changes))


def test_figures_follow_from_the_predictions() -> None:
    report = tiny()
    model, majority = report.scores
    assert (model.role, majority.role) == ("model", "majority")
    assert model.accuracy.value == 0.75
    assert majority.accuracy.value == 0.5  # class b is the most frequent of the training rows
    assert report.differences[0].accuracy.value == 0.25
    assert report.confusion == [[10, 0, 0], [0, 10, 10], [0, 0, 10]]
    assert report.per_class[1].recall == 0.5
    assert [(m.truth, m.predicted, m.rows, m.share) for m in report.mixups] == [("b", "c", 10, 0.5)]
    for score in report.scores:
        assert score.accuracy.low < score.accuracy.value < score.accuracy.high
    assert {(s.truth, s.predicted) for s in report.mistakes} == {("b", "c")}


def test_the_same_arguments_give_the_same_bytes_and_the_schema_holds() -> None:
    once, again = text_report(), text_report()
    assert once.model_dump_json() == again.model_dump_json()
    assert Report.model_validate_json(once.model_dump_json()) == once
    assert "NaN" not in json.dumps(once.model_dump(mode="json"), allow_nan=False)


def test_every_field_is_described() -> None:
    parts = [value for value in vars(schema).values() if isinstance(value, type) and issubclass(value, Config)]
    assert len(parts) > 12
    describe(*parts)
    for part in parts:
        for name, field in part.model_fields.items():
            assert field.description, f"{part.__name__}.{name}"


@pytest.mark.parametrize(
    ("model", "baseline", "rows", "outcome", "words"),
    [
        (0.90, 0.80, 3000, "better", "Accuracy 0.9"),
        (0.80, 0.85, 3000, "worse", "TF-IDF + linear SVM wins: accuracy 0.8"),
        (0.84, 0.84, 400, "even", "Accuracy 0.8"),
        (0.05, 0.84, 400, "useless", "Accuracy 0.0"),
        (0.90, None, 3000, "better", "Accuracy 0.9"),
    ],
)
def test_the_verdict_says_no_more_than_the_interval(
    model: float, baseline: float | None, rows: int, outcome: str, words: str
) -> None:
    report = text_report(model, baseline, rows)
    assert report.verdict.outcome == outcome
    assert report.verdict.headline.startswith(words)
    difference = report.differences[0]
    signs = {"better": difference.accuracy.low > 0, "worse": difference.accuracy.high < 0}
    if outcome in signs and baseline is not None:
        assert signs[outcome]
    if outcome == "even":
        assert difference.accuracy.low <= 0 <= difference.accuracy.high
    if baseline is None:
        assert "no classical baseline" in report.verdict.title
        assert any("No classical baseline" in note for note in report.notes)


def test_the_headline_holds_the_main_figures() -> None:
    report = text_report()
    by_role = {score.role: score for score in report.scores}
    model = by_role["model"].accuracy
    expected = [
        f"{model.value:.3f} [{model.low:.3f}–{model.high:.3f}]",
        f"{by_role['baseline'].accuracy.value:.3f} [",
        f"{by_role['majority'].accuracy.value:.3f} for the majority class",
        "3,000 test rows",
        f"{sum(report.splits[0].counts):,} rows",
        "61.4 CPU-seconds",
        "1.48 kJ (measured)",
    ]
    assert [part for part in expected if part not in report.verdict.headline] == []
    assert "20 times the CPU time of the baseline" in report.verdict.detail


def test_notes_name_what_the_figures_hide() -> None:
    truth = np.array([0, 1] * 20)
    rows = TestRows([str(i) for i in range(40)], ["text"] * 40, truth, truth)
    report = tiny(test=rows, balance={"train": [5, 9, 7], "test": [20, 20, 0]}, notes=["Own\u202e remark"])
    notes = "\n".join(report.notes)
    assert "only 40 rows" in notes
    assert "error rate of up to 0.075" in notes
    assert "1 of 3 classes have no test row: c." in notes
    assert report.notes[-1] == "Own<U+202E> remark"


def test_many_classes_leave_the_matrix_out() -> None:
    classes = [f"class {i}" for i in range(150)]
    truth = np.arange(300) % 150
    rows = TestRows([str(i) for i in range(300)], ["t"] * 300, truth, np.roll(truth, 1))
    report = tiny(classes=classes, test=rows, balance={"train": [1] * 150})
    assert report.confusion is None
    assert len(report.mixups) == 8


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"balance": {"train": [1, 2]}}, "'train': 2 counts for 3 classes"),
        ({"balance": {"valid": [1, 2, 3]}}, "no split 'train'"),
        ({"balance": {"train": [1, 2, 3], "test": [1, 2, 3]}}, "not that of the test rows"),
        ({"classes": ["a", "b"], "balance": {"train": [1, 2]}}, "do not fit 2 classes"),
        ({"test": TestRows(["1"], ["t"] * 2, np.array([0, 1]), np.array([0, 1]))}, "1 ids and 2 inputs for 2"),
    ],
)
def test_refuses_what_does_not_fit(changes: dict[str, object], what: str) -> None:
    with pytest.raises(BadData, match=what):
        tiny(**changes)
