"""What changes of sounds share: samples and spectrograms as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ops.augmentation.base import Change, Shape
from ops.augmentation.draws import Numbers, as_seeds, uniforms

if TYPE_CHECKING:
    import polars as pl

_WHETHER = 0
_ROWS = 64


class WaveChange(Change):
    """A change of the samples that `waveform` left, made before `log_mel`; a subclass adds `altered`."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"sound"})
    early: ClassVar[bool] = True

    def altered(self, waves: NDArray[np.float64], seeds: NDArray[np.uint64]) -> NDArray[np.float64]:
        """The sounds (B, T), full scale -1 to 1, after the change."""
        raise TypeError(f"{type(self).__name__} has no altered")

    def change(self, values: pl.Series, seeds: Sequence[int], shape: Shape | None) -> pl.Series:
        """Return the altered sounds, each a pure function of the sound and its seed."""
        import polars as pl

        found: list[bytes] = []
        for start in range(0, len(values), _ROWS):
            sounds = values[start : start + _ROWS].to_list()
            waves = np.frombuffer(b"".join(sounds), "<i2").reshape(len(sounds), -1)
            found += [row.tobytes() for row in self.changed(waves, seeds[start : start + _ROWS])]
        return pl.Series(values.name, found, dtype=pl.Binary)

    def changed(self, waves: NDArray[np.int16], seeds: Sequence[int]) -> NDArray[np.int16]:
        """The samples (B, T) of the altered sounds."""
        numbers = as_seeds(seeds)
        altered = self.altered(waves / 32768, numbers)
        whole = (altered * 32768).round().clip(-32768, 32767).astype("<i2")
        return np.where(picked(numbers, self.probability)[:, None], whole, waves)


def picked(seeds: NDArray[np.uint64], probability: float) -> NDArray[np.bool_]:
    """Which copies are changed."""
    return draw(seeds, 0, _WHETHER) < probability


def draw(seeds: NDArray[np.uint64], place: int, stream: int) -> NDArray[np.float64]:
    """One number from 0 up to 1 for each seed."""
    places: Numbers = np.full(len(seeds), place)
    return uniforms(seeds, places, stream)
