"""How loud each band is and how much it changes, and a support vector machine with a Gaussian kernel."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ops.errors import BadData
from ops.evaluation.baselines.base import Baseline, Guess
from ops.evaluation.baselines.machines import evenly, svm_guess
from ops.evaluation.metrics import Labels


class SpectrumSvm(Baseline):
    """Spectrum + SVM: mean and deviation over time of each mel channel, each brought to deviation one.

    What comes when in a sound is lost, its colour is not (Peeters, 2004).
    """

    applies_to: ClassVar[frozenset[str]] = frozenset({"sound"})
    title: ClassVar[str] = "Spectrum + SVM"
    needs: ClassVar[tuple[str, ...]] = ("sklearn.svm",)

    kind: Literal["spectrum_svm"] = "spectrum_svm"
    """Mean and deviation of each mel channel, then a support vector machine with a Gaussian kernel."""

    regularization: float = Field(default=10.0, gt=0)
    """The machine's C: larger follows the training rows more closely."""

    rows: int = Field(default=10_000, ge=2)
    """Fit on at most that many training rows, evenly spaced: the time grows with their square."""

    def guess(self, train_inputs: NDArray[np.uint8], train_labels: Labels, test_inputs: NDArray[np.uint8]) -> Guess:
        """Fit on spectrograms and predict spectrograms, uint8 of shape (rows, frames, mels).

        Raises:
            BadData: spectrograms of unequal size.
        """
        chosen = evenly(len(train_labels), self.rows)
        train, test = spectra(np.asarray(train_inputs)[chosen]), spectra(np.asarray(test_inputs))
        if train.shape[1] != test.shape[1]:
            raise BadData(f"{self.title}: {train.shape[1]} values a training sound, {test.shape[1]} a test sound")
        mean, spread = train.mean(axis=0), train.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        train, test = (train - mean) / spread, (test - mean) / spread
        return svm_guess(train, train_labels, chosen, test, self.regularization, "bands", mean.size + spread.size)


def spectra(sounds: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(rows, 2 · mels): mean over the frames of each mel channel, then deviation."""
    return np.concatenate([sounds.mean(axis=1, dtype=np.float64), sounds.std(axis=1, dtype=np.float64)], axis=1)
