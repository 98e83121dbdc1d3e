from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import f1_score

from ops.errors import BadData
from ops.evaluation import bootstrap
from ops.evaluation.bootstrap import interval, resample
from ops.evaluation.metrics import Labels


def labels(rows: int, skill: float, seed: int, classes: int = 4) -> tuple[Labels, Labels]:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, classes, rows)
    wrong = generator.random(rows) > skill
    return truth, np.where(wrong, (truth + generator.integers(1, classes, rows)) % classes, truth)


def test_agrees_with_resampling_rows_one_by_one() -> None:
    truth, predicted = labels(400, 0.8, seed=1)
    fast = resample(truth, {"model": predicted}, 4, resamples=4000, seed=5)["model"]
    generator = np.random.default_rng(9)
    rows = [generator.integers(0, 400, 400) for _ in range(1500)]
    slow_accuracy = np.array([(truth[r] == predicted[r]).mean() for r in rows])
    slow_f1 = np.array([f1_score(truth[r], predicted[r], average="macro") for r in rows])
    for fast_values, slow_values in ((fast.accuracy, slow_accuracy), (fast.macro_f1, slow_f1)):
        assert fast_values.mean() == pytest.approx(slow_values.mean(), abs=0.002)
        assert fast_values.std() == pytest.approx(slow_values.std(), rel=0.08)
        np.testing.assert_allclose(interval(fast_values), interval(slow_values), atol=0.006)


def test_accuracy_intervals_are_those_of_the_binomial_distribution() -> None:
    truth = np.zeros(1000, dtype=np.int64)
    predicted = np.where(np.arange(1000) < 870, 0, 1)
    drawn = resample(truth, {"model": predicted}, 2, resamples=20_000)["model"]
    expected = binom.ppf([0.025, 0.975], 1000, 0.87) / 1000
    np.testing.assert_allclose(interval(drawn.accuracy), expected, atol=0.0015)


def test_intervals_cover_the_true_accuracy_about_as_often_as_they_say() -> None:
    covered = 0
    for trial in range(300):
        truth, predicted = labels(300, 0.8, seed=trial)
        low, high = interval(resample(truth, {"m": predicted}, 4, resamples=300, seed=trial)["m"].accuracy)
        covered += low <= 0.8 <= high
    assert 0.91 <= covered / 300 <= 0.985


def test_difference_of_paired_classifiers_is_narrower_than_of_unpaired_ones() -> None:
    truth, first = labels(800, 0.7, seed=3)
    second = first.copy()
    second[:20] = truth[:20]  # nearly the same mistakes
    drawn = resample(truth, {"first": first, "second": second}, 4, resamples=2000, seed=1)
    paired = np.ptp(interval(drawn["second"].accuracy - drawn["first"].accuracy))
    single = np.ptp(interval(drawn["first"].accuracy))
    assert paired < 0.4 * single
    equal = resample(truth, {"a": first, "b": first.copy()}, 4, resamples=50)
    assert np.array_equal(equal["a"].accuracy, equal["b"].accuracy)


def test_same_seed_same_bits_in_any_order_and_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, predicted = labels(500, 0.75, seed=2)
    once = resample(truth, {"m": predicted}, 4, resamples=200, seed=7)["m"]
    order = np.random.default_rng(0).permutation(500)
    shuffled = resample(truth[order], {"m": predicted[order]}, 4, resamples=200, seed=7)["m"]
    monkeypatch.setattr(bootstrap, "_CHUNK", 64)
    chunked = resample(truth, {"m": predicted}, 4, resamples=200, seed=7)["m"]
    other = resample(truth, {"m": predicted}, 4, resamples=200, seed=8)["m"]
    for again in (shuffled, chunked):
        assert np.array_equal(once.accuracy, again.accuracy)
        assert np.array_equal(once.macro_f1, again.macro_f1)
    assert not np.array_equal(once.accuracy, other.accuracy)


def test_all_wrong_and_all_right() -> None:
    truth = np.array([0, 1, 2, 0, 1, 2])
    drawn = resample(truth, {"right": truth, "wrong": (truth + 1) % 3}, 3, resamples=20)
    assert set(drawn["right"].accuracy) == {1.0} == set(drawn["right"].macro_f1)
    assert set(drawn["wrong"].accuracy) == {0.0} == set(drawn["wrong"].macro_f1)


def test_refuses_predictions_of_another_length() -> None:
    with pytest.raises(BadData, match="svm: 2 rows where 3"):
        resample(np.array([0, 1, 0]), {"svm": np.array([0, 1])}, 2)
