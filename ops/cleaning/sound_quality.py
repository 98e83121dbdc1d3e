"""Sounds that cannot be read, are clipped, silent, of another rate, or too short or long."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field, model_validator

from ops.columns import BYTES, require
from ops.normalization.wave import Unreadable, decoded_wave
from ops.scoring import Decision, Scoring

_RUN = 3
"""Samples in a row at full scale that are clipping; a peak may touch it once."""

_SCHEMA = {
    "problem": pl.String(),
    "detail": pl.String(),
    "seconds": pl.Float64(),
    "rate": pl.Int32(),
    "channels": pl.Int32(),
    "clipped": pl.Float64(),
    "loudness": pl.Float64(),
}


class SoundQuality(Scoring):
    """Drop WAV files that teach nothing: unreadable ones, and by length, rate, clipping and loudness.

    Scores: why a file cannot be read (missing, not_wav, truncated, unsupported, not_finite); seconds, rate, channels;
    the share of samples that are `clipped`, in runs of at least three at full scale; and the `loudness` of the loudest
    channel, the root of the mean square in decibels below full scale (20 · log10 of it), -200 for silence.
    """

    thresholds: ClassVar[frozenset[str]] = frozenset({"minimum", "maximum", "rates", "clipped", "loudness"})
    applies_to: ClassVar[frozenset[str]] = frozenset({"sound"})

    kind: Literal["sound_quality"] = "sound_quality"
    """Unreadable, clipped, silent, too short or too long sounds dropped."""
    column: str = "sound"
    """The column of WAV files."""
    minimum: Annotated[float, Field(ge=0.0)] = 0.05
    """Shortest sound in seconds; a shorter one is `too_short`."""
    maximum: Annotated[float, Field(gt=0.0)] = 60.0
    """Longest sound in seconds; a longer one is `too_long`."""
    rates: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] | None = None
    """Samples in a second that are taken; every other is `wrong_rate`. By default all are, for `waveform` resamples."""
    clipped: Annotated[float, Field(ge=0.0, le=1.0)] = 0.01
    """Largest share of clipped samples; above it a sound is `clipped`."""
    loudness: Annotated[float, Field(ge=-200.0, le=0.0)] = -60.0
    """Least loudness in decibels; below it a sound is `silent`."""

    @model_validator(mode="after")
    def _bounds(self) -> SoundQuality:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}")
        return self

    def score(self, table: pl.DataFrame) -> pl.DataFrame:
        """What each file is like."""
        require(table, [self.column], step=self.kind, types=BYTES)
        # One file at a time: each has a length and a rate of its own.
        return pl.DataFrame([_scores(data) for data in table[self.column]], schema=_SCHEMA, orient="row")

    def decide(self, scores: pl.DataFrame) -> Decision:
        """The first of the reasons that hold, with the score behind it."""
        seconds, rate, clipped, loudness = (pl.col(name) for name in ("seconds", "rate", "clipped", "loudness"))
        wrong_rate = pl.lit(False) if self.rates is None else ~rate.is_in(self.rates)
        cases = (
            ("too_short", seconds < self.minimum, pl.format("{} s", seconds.round(4))),
            ("too_long", seconds > self.maximum, pl.format("{} s", seconds.round(4))),
            ("wrong_rate", wrong_rate, pl.format("{} Hz", rate)),
            ("silent", loudness < self.loudness, pl.format("{} dB", loudness.round(2))),
            ("clipped", clipped > self.clipped, pl.format("{} clipped", clipped.round(5))),
        )
        reasons = [pl.col("problem"), *(pl.when(holds).then(pl.lit(name)) for name, holds, _ in cases)]
        proofs = [pl.col("detail"), *(pl.when(holds).then(proof) for _, holds, proof in cases)]
        found = scores.select(pl.coalesce(reasons).alias("reason"), pl.coalesce(proofs).alias("evidence"))
        return Decision(found["reason"], found["evidence"])


def _scores(data: bytes | None) -> tuple[object, ...]:
    wave = decoded_wave(data)
    if isinstance(wave, Unreadable):
        return wave.reason, wave.evidence, None, None, None, None, None
    if not len(wave.samples):
        return None, None, 0.0, wave.rate, wave.samples.shape[1], 0.0, -200.0
    power = float((wave.samples.astype(np.float64) ** 2).mean(axis=0).max())
    level = max(-200.0, 10 * math.log10(power)) if power > 0 else -200.0
    return None, None, wave.seconds, wave.rate, wave.samples.shape[1], clipped_share(wave.samples, wave.full), level


def clipped_share(samples: np.ndarray[tuple[int, ...], np.dtype[np.float32]], full: float) -> float:
    """Share of the samples (T, C) in runs of three or more at full scale, on one side."""
    level = np.float32(full)
    count = 0
    for side in (samples >= level, samples <= -level):
        edges = np.diff(np.pad(side, ((1, 1), (0, 0))).astype(np.int8), axis=0)
        for channel in range(samples.shape[1]):
            runs = np.flatnonzero(edges[:, channel] < 0) - np.flatnonzero(edges[:, channel] > 0)
            count += int(runs[runs >= _RUN].sum())
    return count / samples.size
