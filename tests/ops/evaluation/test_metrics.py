from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

from ops.errors import BadData
from ops.evaluation import metrics

CLASSES = 5
pairs = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=60)


@given(pairs)
def test_agrees_with_scikit_learn(rows: list[tuple[int, int]]) -> None:
    truth, predicted = np.array(rows).T
    confusion = metrics.confusion_matrix(truth, predicted, CLASSES)
    assert np.array_equal(confusion, confusion_matrix(truth, predicted, labels=range(CLASSES)))
    assert metrics.accuracy(confusion) == pytest.approx(accuracy_score(truth, predicted))
    assert metrics.macro_f1(confusion) == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))
    scores = metrics.class_scores(confusion)
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, predicted, labels=range(CLASSES), zero_division=0
    )
    np.testing.assert_allclose(scores.precision, precision)
    np.testing.assert_allclose(scores.recall, recall)
    np.testing.assert_allclose(scores.f1, f1)
    np.testing.assert_array_equal(scores.support, support)
    np.testing.assert_array_equal(scores.predicted, np.bincount(predicted, minlength=CLASSES))


@given(pairs, st.permutations(range(CLASSES)))
def test_renaming_the_classes_changes_no_average(rows: list[tuple[int, int]], names: list[int]) -> None:
    truth, predicted = np.array(rows).T
    renamed = np.array(names)
    before = metrics.confusion_matrix(truth, predicted, CLASSES)
    after = metrics.confusion_matrix(renamed[truth], renamed[predicted], CLASSES)
    assert metrics.accuracy(before) == metrics.accuracy(after)
    assert metrics.macro_f1(before) == pytest.approx(metrics.macro_f1(after))


def test_a_class_that_never_occurs_does_not_count() -> None:
    confusion = np.array([[3, 0, 0], [0, 2, 0], [0, 0, 0]])
    assert metrics.macro_f1(confusion) == 1.0


@pytest.mark.parametrize(
    ("truth", "predicted", "what"),
    [
        ([], [], "shape"),
        ([0, 1], [0], "1 rows where 2"),
        ([0, 3], [0, 1], "0 to 3 do not fit 3"),
        ([0, -1], [0, 1], "-1 to 0 do not fit"),
        ([0.0, 1.0], [0, 1], "whole numbers"),
        ([[0, 1]], [0, 1], "shape"),
    ],
)
def test_refuses_labels_that_do_not_fit(truth: list[int], predicted: list[int], what: str) -> None:
    with pytest.raises(BadData, match=what):
        metrics.confusion_matrix(np.array(truth), np.array(predicted), 3)
