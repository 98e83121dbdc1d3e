"""Spectrograms with strips masked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ops.augmentation.base import Change, Shape
from ops.augmentation.draws import as_seeds
from ops.augmentation.sound import draw, picked
from ops.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

Strips = Annotated[int, Field(ge=0, le=20)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class SpecAugment(Change):
    """Mask strips of time and of pitch in spectrograms (SpecAugment without warping: Park et al., 2019).

    The width of each strip is drawn evenly from 0 to its limit, then its place. Masked values become the mean of the
    spectrogram, rounded.
    """

    applies_to: ClassVar[frozenset[str]] = frozenset({"sound"})

    kind: Literal["spec_augment"] = "spec_augment"
    """Strips of time and pitch masked."""
    times: Strips = 2
    """Strips of time."""
    time_limit: Share = 0.2
    """Widest strip of time, as a share of the frames."""
    pitches: Strips = 2
    """Strips of pitch."""
    pitch_limit: Share = 0.2
    """Widest strip of pitch, as a share of the mel channels."""

    @model_validator(mode="after")
    def _masks(self) -> SpecAugment:
        if not self.times and not self.pitches:
            raise ValueError("times and pitches are both 0: nothing would be masked")
        return self

    def weakened(self, strength: float) -> dict[str, Any]:
        """Narrower strips."""
        return {"time_limit": self.time_limit * strength, "pitch_limit": self.pitch_limit * strength}

    def change(self, values: pl.Series, seeds: Sequence[int], shape: Shape | None) -> pl.Series:
        """Return the masked spectrograms, each a pure function of the spectrogram and its seed.

        Raises:
            ConfigError: there are no spectrograms.
        """
        import polars as pl

        if shape is None:
            raise ConfigError("spec_augment: there are no spectrograms", hint="give `normalization` a `log_mel` step")
        frames, _, mels = shape
        images = np.frombuffer(b"".join(values.to_list()), np.uint8).reshape(len(values), frames, mels)
        return pl.Series(values.name, [image.tobytes() for image in self.masked(images, seeds)], dtype=pl.Binary)

    def masked(self, images: NDArray[np.uint8], seeds: Sequence[int]) -> NDArray[np.uint8]:
        """The masked spectrograms (B, frames, mels)."""
        numbers = as_seeds(seeds)
        hidden = self._strips(numbers, images.shape[1], self.times, self.time_limit, 1)[:, :, None]
        hidden = hidden | self._strips(numbers, images.shape[2], self.pitches, self.pitch_limit, 2)[:, None, :]
        hidden &= picked(numbers, self.probability)[:, None, None]
        mean = images.mean(axis=(1, 2)).round().astype(np.uint8)
        return np.where(hidden, mean[:, None, None], images)

    def _strips(
        self, seeds: NDArray[np.uint64], length: int, count: int, limit: float, stream: int
    ) -> NDArray[np.bool_]:
        """(B, length) which places are masked."""
        hidden = np.zeros((len(seeds), length), dtype=bool)
        places, widest = np.arange(length), int(limit * length)
        for number in range(count):
            width = (draw(seeds, 2 * number, stream) * (widest + 1)).astype(np.int64)
            start = (draw(seeds, 2 * number + 1, stream) * (length - width + 1)).astype(np.int64)
            hidden |= (places >= start[:, None]) & (places < (start + width)[:, None])
        return hidden
