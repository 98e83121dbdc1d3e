"""Sounds as pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def spectrogram(sounds: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Spectrograms (rows, frames, mels) as grey images (rows, mels, frames, 1): high notes on top."""
    return np.ascontiguousarray(sounds.transpose(0, 2, 1)[:, ::-1, :, None])
