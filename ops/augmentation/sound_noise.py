"""Sounds with noise."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ops.augmentation.draws import uniforms
from ops.augmentation.sound import WaveChange, draw

Decibels = Annotated[float, Field(ge=-20.0, le=100.0)]


class SoundNoise(WaveChange):
    """Add white Gaussian noise whose power is that of the sound over a ratio drawn evenly in decibels.

    The ratio is of the mean square of the whole sound to that of the noise. A silent sound stays as it is.
    """

    kind: Literal["sound_noise"] = "sound_noise"
    """Sounds with white noise."""
    low: Decibels = 10.0
    """Least signal-to-noise ratio: the most noise."""
    high: Decibels = 30.0
    """Largest signal-to-noise ratio."""

    @model_validator(mode="after")
    def _bounds(self) -> SoundNoise:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self

    def weakened(self, strength: float) -> dict[str, Any]:
        """Noise of smaller amplitude: a share of it is so many decibels less."""
        return {name: min(getattr(self, name) - 20.0 * math.log10(strength), 100.0) for name in ("low", "high")}

    def altered(self, waves: NDArray[np.float64], seeds: NDArray[np.uint64]) -> NDArray[np.float64]:
        """The sounds with noise."""
        ratio = self.low + (self.high - self.low) * draw(seeds, 0, 1)
        level = np.sqrt((waves**2).mean(axis=1) / 10 ** (ratio / 10))
        places = np.broadcast_to(np.arange(waves.shape[1]), waves.shape)
        one, two = (uniforms(np.repeat(seeds, waves.shape[1]), places.ravel(), stream) for stream in (2, 3))
        # Box and Muller (1958); 1 - u is never 0.
        noise = np.sqrt(-2 * np.log(1 - one)) * np.cos(2 * np.pi * two)
        found: NDArray[np.float64] = waves + noise.reshape(waves.shape) * level[:, None]
        return found
