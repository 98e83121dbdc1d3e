"""Pixels as they are and a support vector machine with a Gaussian kernel."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ops.evaluation.baselines.machines import KernelMachine


class PixelSvm(KernelMachine):
    """Pixels + SVM: hard to beat on small aligned images (Cortes and Vapnik, 1995)."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"image"})
    title: ClassVar[str] = "Pixels + SVM"
    of: ClassVar[str] = "pixels"
    one: ClassVar[str] = "image"

    kind: Literal["pixel_svm"] = "pixel_svm"
    """Pixels over 255, then a support vector machine with a Gaussian kernel."""

    def values(self, inputs: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Pixels of images (rows, height, width, channels) over 255, in one row each."""
        return inputs.reshape(len(inputs), -1).astype(np.float64) / 255.0
