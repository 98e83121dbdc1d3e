"""Pixels as they are and a support vector machine with a Gaussian kernel."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ops.errors import BadData
from ops.evaluation.baselines.base import Baseline, Guess
from ops.evaluation.metrics import Labels


class PixelSvm(Baseline):
    """Pixels + SVM: hard to beat on small aligned images (Cortes and Vapnik, 1995)."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"image"})
    title: ClassVar[str] = "Pixels + SVM"
    needs: ClassVar[tuple[str, ...]] = ("sklearn.svm",)

    kind: Literal["pixel_svm"] = "pixel_svm"
    """Pixels over 255, then a support vector machine with a Gaussian kernel."""

    regularization: float = Field(default=10.0, gt=0)
    """The machine's C: larger follows the training rows more closely."""

    rows: int = Field(default=10_000, ge=2)
    """Fit on at most that many training rows, evenly spaced: the time grows with their square."""

    def guess(self, train_inputs: NDArray[np.uint8], train_labels: Labels, test_inputs: NDArray[np.uint8]) -> Guess:
        """Fit on images and predict images, uint8 of shape (rows, height, width, channels).

        Raises:
            BadData: images of unequal size.
        """
        from sklearn.svm import SVC

        chosen = _evenly(len(train_labels), self.rows)
        train, test = _flat(np.asarray(train_inputs)[chosen]), _flat(np.asarray(test_inputs))
        if train.shape[1] != test.shape[1]:
            raise BadData(f"{self.title}: {train.shape[1]} values a training image, {test.shape[1]} a test image")
        labels = np.asarray(train_labels)[chosen]
        machine = SVC(C=self.regularization, kernel="rbf", gamma="scale", random_state=0).fit(train, labels)
        predictions = machine.predict(test).astype(np.int64)
        # A step of SMO needs the kernel of two rows with all rows of its two classes (Platt, 1998; one against one).
        sizes = np.bincount(np.searchsorted(machine.classes_, labels))
        pairs = [sizes[i] + sizes[j] for i in range(len(sizes)) for j in range(i + 1, len(sizes))]
        steps = np.atleast_1d(machine.n_iter_).astype(np.float64)
        fitted = machine.support_vectors_.size + machine.dual_coef_.size + machine.intercept_.size
        return Guess(
            predictions,
            parameters=int(fitted),
            flops=float(np.sum(steps * np.asarray(pairs)) * 2 * 3 * train.shape[1]),
            flops_how="at most steps x 2 kernel rows x rows of the pair x 3 x pixels",
            note=f"Fitted on {len(chosen):,} of {len(train_labels):,} rows." if len(chosen) < len(train_labels) else "",
        )


def _evenly(rows: int, limit: int) -> NDArray[np.int64]:
    """Indices of at most `limit` rows, spread evenly over all."""
    return np.arange(rows) if rows <= limit else (np.arange(limit) * rows) // limit


def _flat(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    return images.reshape(len(images), -1).astype(np.float64) / 255.0
