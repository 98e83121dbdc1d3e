"""How loud each band is and how much it changes, and a support vector machine with a Gaussian kernel."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ops.evaluation.baselines.machines import KernelMachine


class SpectrumSvm(KernelMachine):
    """Spectrum + SVM: mean and deviation over time of each mel channel, each brought to deviation one.

    What comes when in a sound is lost, its colour is not (Peeters, 2004).
    """

    applies_to: ClassVar[frozenset[str]] = frozenset({"sound"})
    title: ClassVar[str] = "Spectrum + SVM"
    of: ClassVar[str] = "bands"
    one: ClassVar[str] = "sound"

    kind: Literal["spectrum_svm"] = "spectrum_svm"
    """Mean and deviation of each mel channel, then a support vector machine with a Gaussian kernel."""

    def values(self, inputs: NDArray[np.uint8]) -> NDArray[np.float64]:
        """See `spectra`; of spectrograms (rows, frames, mels)."""
        return spectra(inputs)

    def scaled(
        self, train: NDArray[np.float64], test: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
        """Each value brought to mean zero and deviation one of the training rows."""
        mean, spread = train.mean(axis=0), train.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        return (train - mean) / spread, (test - mean) / spread, mean.size + spread.size


def spectra(sounds: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(rows, 2 · mels): mean over the frames of each mel channel, then deviation."""
    return np.concatenate([sounds.mean(axis=1, dtype=np.float64), sounds.std(axis=1, dtype=np.float64)], axis=1)
