"""WAV files made for tests."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray


def riff(body: bytes, kind: int, channels: int, rate: int, bits: int, extra: bytes = b"") -> bytes:
    """A WAV file around samples that are bytes already."""
    align = channels * bits // 8
    head = struct.pack("<HHIIHH", kind, channels, rate, rate * align, align, bits) + extra
    chunks = b"fmt " + struct.pack("<I", len(head)) + head + b"LIST" + struct.pack("<I", 3) + b"abc\0"
    chunks += b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def wav(samples: NDArray[Any], rate: int = 8000) -> bytes:
    """A file of 16-bit samples from numbers between -1 and 1, (T,) or (T, C)."""
    whole = (np.asarray(samples) * 32767).round().astype("<i2")
    return riff(whole.tobytes(), 1, 1 if whole.ndim == 1 else whole.shape[1], rate, 16)


def sine(hertz: float, seconds: float = 0.5, rate: int = 8000, height: float = 0.5) -> NDArray[np.float64]:
    """A sine wave."""
    found: NDArray[np.float64] = height * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)
    return found
