"""Pixels as they are and a support vector machine with a Gaussian kernel."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ops.errors import BadData
from ops.evaluation.baselines.base import Baseline, Guess
from ops.evaluation.baselines.machines import evenly, svm_guess
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
        chosen = evenly(len(train_labels), self.rows)
        train, test = _flat(np.asarray(train_inputs)[chosen]), _flat(np.asarray(test_inputs))
        if train.shape[1] != test.shape[1]:
            raise BadData(f"{self.title}: {train.shape[1]} values a training image, {test.shape[1]} a test image")
        return svm_guess(train, train_labels, chosen, test, self.regularization, "pixels")


def _flat(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    return images.reshape(len(images), -1).astype(np.float64) / 255.0
