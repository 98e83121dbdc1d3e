"""Sounds as pictures of time and pitch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from ops.columns import BYTES, require
from ops.errors import ConfigError
from ops.normalization.mel import frames_of, spectrograms
from ops.normalization.waveform import RATE, SAMPLES
from ops.steps import Facts, Outcome, Step

_ROWS = 64


class LogMel(Step):
    """Log-mel spectrogram of each sound that `waveform` left: decibels from -80 to 0 as one byte each.

    Formula: `ops/normalization/mel.py`. Each value is frames x mels bytes, frame by frame; the columns `height`
    (frames), `width` (1) and `channels` (mels) say so, so that mean and deviation of each mel channel over the training
    rows are found like those of an image's colours.
    """

    kind: Literal["log_mel"] = "log_mel"
    """Log-mel spectrograms."""
    column: str = "sound"
    """The column of samples."""
    window: Annotated[int, Field(ge=16, le=16_384)] = 400
    """Samples of one frame."""
    hop: Annotated[int, Field(ge=1, le=16_384)] = 160
    """Samples from one frame to the next."""
    mels: Annotated[int, Field(ge=1, le=512)] = 64
    """Filters."""
    low: Annotated[float, Field(ge=0.0)] = 20.0
    """Lowest frequency in Hz."""
    high: Annotated[float, Field(gt=0.0)] | None = None
    """Highest frequency in Hz; half the rate by default."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"sound"})

    @model_validator(mode="after")
    def _bounds(self) -> LogMel:
        if self.high is not None and self.high <= self.low:
            raise ValueError(f"high {self.high} is not above low {self.low}")
        return self

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the rows with spectrograms, all counted as changed.

        Raises:
            ConfigError: no `waveform` came before, or the sounds do not have the highest frequency.
        """
        require(table, [self.column], step=self.kind, types=BYTES)
        if not {RATE, SAMPLES} <= set(table.columns):
            if table.is_empty():
                return Outcome(table)
            raise ConfigError(f"{self.kind}: the sounds have no common rate", hint="put `waveform` before it")
        shapes = table.select(RATE, SAMPLES).unique().rows()
        rows: list[bytes] = []
        frames = 0
        for rate, samples in shapes:  # one, but for tables without rows
            self.check(rate)
            frames = frames_of(samples, self.window, self.hop)
            for start in range(0, table.height, _ROWS):
                rows += self._spectrograms(table[self.column][start : start + _ROWS].to_list(), rate)
        shape = {"height": frames, "width": 1, "channels": self.mels}
        columns = [pl.lit(value, dtype=pl.Int32).alias(name) for name, value in shape.items()]
        kept = table.drop(RATE, SAMPLES).with_columns(pl.Series(self.column, rows, pl.Binary), *columns)
        return Outcome(kept, changed={self.kind: kept.height} if kept.height else {})

    def check(self, rate: int) -> None:
        """Raise `ConfigError` where sounds of that rate have not these frequencies."""
        high = self.high or rate / 2
        if not self.low < high <= rate / 2:
            raise ConfigError(f"{self.kind}: {self.low} to {high} Hz is not within 0 to {rate / 2} Hz")

    def _spectrograms(self, sounds: list[bytes], rate: int) -> list[bytes]:
        samples = np.frombuffer(b"".join(sounds), "<i2").reshape(len(sounds), -1)
        high = self.high or rate / 2
        images = spectrograms(samples, rate, self.window, self.hop, self.mels, self.low, high)
        return [image.tobytes() for image in images]
