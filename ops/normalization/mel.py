"""Short-time Fourier transform and mel filter bank in NumPy.

Power: |Σ w·x·e^(-2πikn/N)|² · 4 / (Σw)², so that a sine of full scale has power 1 (0 dB) in its bin; w is the
periodic Hann window of N samples. Mel: 2595 · log10(1 + f / 700) with f in Hz (O'Shaughnessy, 1987). The filters are
triangles of height 1 with corners evenly spaced on the mel scale (Davis and Mermelstein, 1980), taken at each bin.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOOR_DB = -80.0
"""Decibels that become 0; 0 dB become 255."""


def frames_of(samples: int, window: int, hop: int) -> int:
    """Frames of a signal: as many as begin until the last sample is covered."""
    return 1 + max(0, -(-(samples - window) // hop))


def powers(signals: NDArray[np.float32], window: int, hop: int) -> NDArray[np.float32]:
    """(B, frames, window // 2 + 1) power of signals (B, T); zeros follow a signal that ends within a frame."""
    count = frames_of(signals.shape[1], window, hop)
    padded = np.zeros((len(signals), (count - 1) * hop + window), np.float32)
    padded[:, : signals.shape[1]] = signals
    frames = np.lib.stride_tricks.sliding_window_view(padded, window, axis=1)[:, ::hop]
    shape = hann(window)
    spectrum = np.fft.rfft(frames * shape, axis=2)
    found = (spectrum.real**2 + spectrum.imag**2) * (4 / float(shape.sum()) ** 2)
    return found.astype(np.float32, copy=False)


def hann(window: int) -> NDArray[np.float32]:
    """The periodic Hann window."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)


@cache
def mel_filters(rate: int, window: int, mels: int, low: float, high: float) -> NDArray[np.float32]:
    """(window // 2 + 1, mels) weights of each bin in each filter, from `low` to `high` Hz."""
    corners = _hertz(np.linspace(_mel(low), _mel(high), mels + 2))
    bins = np.arange(window // 2 + 1) * rate / window
    rising = (bins[:, None] - corners[:-2]) / (corners[1:-1] - corners[:-2])
    falling = (corners[2:] - bins[:, None]) / (corners[2:] - corners[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def quantised(power: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Powers as decibels in 256 steps of 80 / 255: 0 is -80 dB and below, 255 is 0 dB and above."""
    decibels = 10 * np.log10(np.maximum(power, np.float32(1e-10)))
    return ((decibels - FLOOR_DB) * (255 / -FLOOR_DB)).round().clip(0, 255).astype(np.uint8)


def spectrograms(
    samples: NDArray[np.int16], rate: int, window: int, hop: int, mels: int, low: float, high: float
) -> NDArray[np.uint8]:
    """(B, frames, mels) log-mel spectrograms, quantised, of sounds (B, T) of 16 bits."""
    waves = samples.astype(np.float32) / np.float32(32768)
    return quantised(powers(waves, window, hop) @ mel_filters(rate, window, mels, low, high))


def decibels_of(values: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The decibels that quantised values stand for."""
    return values.astype(np.float64) * (-FLOOR_DB / 255) + FLOOR_DB


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def _hertz(mels: NDArray[Any]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = 700 * (10 ** (mels / 2595) - 1)
    return found
