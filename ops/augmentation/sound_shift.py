"""Sounds a little earlier or later."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ops.augmentation.sound import WaveChange, draw


class SoundShift(WaveChange):
    """Move sounds in time by a share of their length drawn evenly from both sides; silence fills what becomes free."""

    kind: Literal["sound_shift"] = "sound_shift"
    """Sounds moved in time."""
    limit: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """Largest shift, as a share of the length."""

    def weakened(self, strength: float) -> dict[str, Any]:
        """Smaller shifts."""
        return {"limit": self.limit * strength}

    def altered(self, waves: NDArray[np.float64], seeds: NDArray[np.uint64]) -> NDArray[np.float64]:
        """The sounds moved."""
        length = waves.shape[1]
        shifts = np.rint((2 * draw(seeds, 0, 1) - 1) * self.limit * length).astype(np.int64)
        places = np.arange(length) - shifts[:, None]
        inside = (places >= 0) & (places < length)
        moved = np.take_along_axis(waves, places.clip(0, length - 1), axis=1)
        return np.where(inside, moved, 0.0)
