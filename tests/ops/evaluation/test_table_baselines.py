"""Baselines of rows and of sounds, against scikit-learn's own ways of saying the same."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression as Machine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from ops.errors import BadData
from ops.evaluation.baselines.base import Table
from ops.evaluation.baselines.boosted_trees import BoostedTrees
from ops.evaluation.baselines.logistic_regression import LogisticRegression, one_hot
from ops.evaluation.baselines.spectrum_svm import SpectrumSvm

DRAW = np.random.default_rng(0)


def table(rows: int, sizes: tuple[int, ...] = (4, 3)) -> tuple[Table, np.ndarray[tuple[int], np.dtype[np.int64]]]:
    numbers = DRAW.normal(5, [1, 10, 0.1], (rows, 3))
    categories = DRAW.integers(0, sizes or (1,), (rows, max(1, len(sizes))))[:, : len(sizes)]
    extra = categories[:, 0] == 2 if sizes else np.zeros(rows, bool)
    labels = ((numbers[:, 0] > 5).astype(np.int64) + extra).clip(0, 2)
    return Table(numbers, categories, sizes), labels


TRAIN, LABELS = table(300)
TEST, TRUTH = table(100)


def test_trees_are_scikit_learns_with_categories_as_such() -> None:
    fitted = BoostedTrees(trees=20).fit_predict(TRAIN, LABELS, TEST)
    oracle = HistGradientBoostingClassifier(
        max_iter=20, categorical_features=[3, 4], early_stopping=False, random_state=0
    ).fit(np.hstack([TRAIN.numbers, TRAIN.categories]), LABELS)
    assert fitted.predictions.tolist() == oracle.predict(np.hstack([TEST.numbers, TEST.categories])).tolist()
    assert (fitted.predictions == TRUTH).mean() > 0.95
    assert fitted.cost.parameters and fitted.cost.flops_how.startswith("about")


def test_a_column_of_very_many_categories_is_read_as_numbers() -> None:
    train, labels = table(300, (4, 1000))
    assert BoostedTrees(trees=2).fit_predict(train, labels, train).predictions.shape == (300,)


def test_logistic_regression_is_scikit_learns_behind_its_own_scaler_and_encoder() -> None:
    fitted = LogisticRegression().fit_predict(TRAIN, LABELS, TEST)
    columns = make_column_transformer(
        (StandardScaler(), [0, 1, 2]), (OneHotEncoder(categories=[range(4), range(3)]), [3, 4])
    )
    oracle = make_pipeline(columns, Machine(max_iter=1000)).fit(np.hstack([TRAIN.numbers, TRAIN.categories]), LABELS)
    assert fitted.predictions.tolist() == oracle.predict(np.hstack([TEST.numbers, TEST.categories])).tolist()
    assert not fitted.note
    assert "before it had settled" in LogisticRegression(iterations=1).fit_predict(TRAIN, LABELS, TEST).note


def test_one_hot() -> None:
    found = one_hot(Table(np.zeros((2, 1)), np.array([[3, 0], [0, 2]]), (4, 3)))
    assert found.tolist() == [[0, 0, 0, 1, 1, 0, 0], [1, 0, 0, 0, 0, 0, 1]]
    assert one_hot(Table(np.zeros((2, 1)), np.zeros((2, 0), np.int64))).shape == (2, 0)


@pytest.mark.parametrize("kind", [BoostedTrees, LogisticRegression])
def test_numbers_alone_and_categories_alone(kind: type[BoostedTrees] | type[LogisticRegression]) -> None:
    numbers, labels = table(200, ())
    assert (kind().fit_predict(numbers, labels, numbers).predictions == labels).mean() > 0.9
    names = Table(np.zeros((200, 0)), labels[:, None] + 1, (4,))
    assert (kind().fit_predict(names, labels, names).predictions == labels).all()


def test_sounds_are_told_apart_by_mean_and_deviation_of_their_bands() -> None:
    sounds = DRAW.integers(0, 256, (80, 12, 5)).astype(np.uint8)
    labels = (np.arange(80) % 2).astype(np.int64)
    sounds[labels == 1, :, 2] //= 2
    fitted = SpectrumSvm().fit_predict(sounds[:60], labels[:60], sounds[60:])
    values = np.array(
        [[f(sound[:, band].astype(float)) for f in (np.mean, np.std) for band in range(5)] for sound in sounds]
    )
    oracle = make_pipeline(StandardScaler(), SVC(C=10)).fit(values[:60], labels[:60])
    assert fitted.predictions.tolist() == oracle.predict(values[60:]).tolist()
    assert (fitted.predictions == labels[60:]).mean() > 0.9
    assert SpectrumSvm(rows=27).fit_predict(sounds, labels, sounds).note == "Fitted on 27 of 80 rows."
    # Every fourth row is of the first class: a machine needs two.
    alone = SpectrumSvm(rows=20).fit_predict(sounds, labels, sounds)
    assert alone.note == "Fitted on 20 of 80 rows. They are of one class." and not alone.predictions.any()
    with pytest.raises(BadData, match="10 values a training sound, 8 a test sound"):
        SpectrumSvm().fit_predict(sounds, labels, sounds[:, :, :4])
