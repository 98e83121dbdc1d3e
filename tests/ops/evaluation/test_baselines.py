from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from ops.config import describe
from ops.errors import BadData
from ops.evaluation.baselines.base import Baseline
from ops.evaluation.baselines.gradient_boosting import GradientBoosting
from ops.evaluation.baselines.ngram import Ngram
from ops.evaluation.baselines.pixel_svm import PixelSvm
from ops.evaluation.baselines.tfidf_svm import TfidfSvm
from ops.registry import discover

TEXTS = [
    f"the {noun} {verb} in the {place}" for noun in ("cat", "dog") for verb in ("sat", "ran") for place in "abcdef"
]
LABELS = np.array([0] * 12 + [1] * 12)


def test_all_kinds_are_found() -> None:
    found = discover("ops.evaluation.baselines", base=Baseline)
    known = {"gradient_boosting": GradientBoosting, "ngram": Ngram, "pixel_svm": PixelSvm, "tfidf_svm": TfidfSvm}
    assert found.items() >= known.items()
    assert found.keys() >= {"boosted_trees", "logistic_regression", "spectrum_svm"}
    assert PixelSvm.applies_to == {"image"}
    assert TfidfSvm.applies_to == {"text"}


@pytest.mark.parametrize("kind", [PixelSvm, TfidfSvm])
def test_every_setting_is_described_and_unknown_ones_are_refused(kind: type[Baseline]) -> None:
    describe(kind)
    assert all(field.description for field in kind.model_fields.values())
    with pytest.raises(ValidationError, match="Extra inputs"):
        kind.model_validate({"kernel": "poly"})


def test_text_baseline_separates_what_words_separate() -> None:
    fitted = TfidfSvm().fit_predict(TEXTS, LABELS, ["a dog walks", "a cat walks", ""])
    assert fitted.predictions[:2].tolist() == [1, 0]
    assert fitted.predictions.dtype == np.int64
    assert fitted.title == "TF-IDF + linear SVM"


def test_image_baseline_reads_digits_as_scikit_learn_does() -> None:
    digits = load_digits()
    images = (digits.images * 15).astype(np.uint8)[..., None]
    train, test = slice(0, 1200), slice(1200, None)
    fitted = PixelSvm().fit_predict(images[train], digits.target[train], images[test])
    flat = images.reshape(len(images), -1) / 255
    oracle = SVC(C=10).fit(flat[train], digits.target[train])
    assert fitted.predictions.tolist() == oracle.predict(flat[test]).tolist()
    assert (fitted.predictions == digits.target[test]).mean() > 0.93
    assert fitted.cost.parameters == oracle.support_vectors_.size + oracle.dual_coef_.size + oracle.intercept_.size


def test_image_baseline_fits_on_a_bounded_number_of_rows_and_says_so() -> None:
    digits = load_digits()
    images = (digits.images * 15).astype(np.uint8)[..., None]
    fitted = PixelSvm(rows=300).fit_predict(images[:1000], digits.target[:1000], images[1000:1100])
    assert fitted.note == "Fitted on 300 of 1,000 rows."
    assert (fitted.predictions == digits.target[1000:1100]).mean() > 0.85


@pytest.mark.parametrize("kind", [PixelSvm, TfidfSvm])
def test_same_rows_same_predictions_with_measured_cost(kind: type[Baseline]) -> None:
    generator = np.random.default_rng(0)
    train: object = TEXTS if kind is TfidfSvm else generator.integers(0, 256, (24, 3, 3, 3)).astype(np.uint8)
    once, again = (kind().fit_predict(train, LABELS, train) for _ in range(2))  # type: ignore[arg-type]
    assert once.predictions.tolist() == again.predictions.tolist()
    assert once.cost.parameters == again.cost.parameters
    assert once.cost.flops == again.cost.flops is not None
    assert once.cost.flops_how.startswith("at most")
    assert once.cost.cpu_seconds is not None and once.cost.wall_seconds is not None and once.cost.energy is not None
    assert once.cost.peak_bytes is not None and once.cost.peak_bytes > 10_000_000


def test_one_class_and_no_test_rows() -> None:
    fitted = TfidfSvm().fit_predict(["a", "b"], np.array([3, 3]), ["c", "d", "e"])
    assert fitted.predictions.tolist() == [3, 3, 3]
    assert "one class" in fitted.note
    assert TfidfSvm().fit_predict(TEXTS, LABELS, []).predictions.tolist() == []


def test_refuses_what_cannot_be_fitted() -> None:
    with pytest.raises(BadData, match="2 training rows with 1 labels"):
        TfidfSvm().fit_predict(["a", "b"], np.array([0]), ["c"])
    with pytest.raises(BadData, match="empty vocabulary"):
        TfidfSvm().fit_predict(["!", "?"], np.array([0, 1]), ["c"])
    small, large = np.zeros((2, 2, 2, 1), np.uint8), np.zeros((1, 3, 3, 1), np.uint8)
    with pytest.raises(BadData, match="4 values a training image, 9 a test image"):
        PixelSvm().fit_predict(small, np.array([0, 1]), large)
