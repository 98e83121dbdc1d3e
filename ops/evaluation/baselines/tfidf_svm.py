"""Words and word pairs weighted by TF-IDF, and one linear support vector machine per class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from ops.errors import BadData
from ops.evaluation.baselines.base import Baseline, Guess
from ops.evaluation.metrics import Labels


class TfidfSvm(Baseline):
    """TF-IDF + linear SVM: the classifier that short-text models most often fail to beat by much (Joachims, 1998)."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text"})
    title: ClassVar[str] = "TF-IDF + linear SVM"
    needs: ClassVar[tuple[str, ...]] = ("sklearn.feature_extraction.text", "sklearn.svm")

    kind: Literal["tfidf_svm"] = "tfidf_svm"
    """TF-IDF over words, then a linear support vector machine."""

    longest: int = Field(default=2, ge=1, le=5)
    """Longest run of words that counts as one feature."""

    features: int = Field(default=100_000, ge=1)
    """At most that many features, the most frequent ones."""

    regularization: float = Field(default=1.0, gt=0)
    """The machine's C: larger follows the training rows more closely."""

    def guess(self, train_inputs: Sequence[str], train_labels: Labels, test_inputs: Sequence[str]) -> Guess:
        """Fit on texts and predict texts.

        Raises:
            BadData: no training text holds a word.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.svm import LinearSVC

        # One-letter words count: `x` and `n` say much in technical text.
        vectorizer = TfidfVectorizer(
            token_pattern=r"(?u)\b\w+\b",
            ngram_range=(1, self.longest),
            max_features=self.features,
            sublinear_tf=True,
            dtype=np.float64,
        )
        try:
            train = vectorizer.fit_transform(train_inputs)
        except ValueError as error:
            raise BadData(f"{self.title}: {error}", hint="set evaluation.baseline to null") from error
        machine = LinearSVC(C=self.regularization, random_state=0).fit(train, train_labels)
        predictions = machine.predict(vectorizer.transform(test_inputs)).astype(np.int64)
        # Coordinate descent reads and updates the weights of every nonzero once a pass (Hsieh et al., 2008).
        return Guess(
            predictions,
            parameters=int(machine.coef_.size + machine.intercept_.size + vectorizer.idf_.size),
            flops=4.0 * train.nnz * int(np.max(machine.n_iter_)) * len(machine.coef_),
            flops_how="at most 4 x nonzeros x passes x classes",
        )
