"""Sounds of one rate and length."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import polars as pl
from pydantic import Field

from ops.columns import BYTES, dropped_where, require
from ops.normalization.wave import Unreadable, Wave, decoded_wave
from ops.steps import Facts, Outcome, Step

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE, SAMPLES = "rate", "samples"
_TERM = 4096
"""Largest number of a ratio of rates: the filter is twenty times as long."""
_APART = 1000
"""How many times lower a sound's rate may be."""


class Waveform(Step):
    """Decode WAV files, mix their channels, and bring them to one rate and length; the column then holds samples.

    Each value is `samples` 16-bit numbers, lowest byte first; the columns `rate` and `samples` (Int32) say so in every
    row. Other rates are resampled by a polyphase filter (scipy's `resample_poly`, a Kaiser window); where two rates
    have no ratio of numbers up to 4096, by the nearest that is one. A longer sound is cut at its end, silence follows
    a shorter one. What cannot be read is dropped, with the reasons of `sound_quality`; so are sounds of less than a
    thousandth of the rate (`unsupported`).
    """

    kind: Literal["waveform"] = "waveform"
    """Sounds decoded and brought to one rate and length."""
    column: str = "sound"
    """The column of WAV files."""
    rate: Annotated[int, Field(ge=1000, le=192_000)] = 16_000
    """Samples in a second."""
    seconds: Annotated[float, Field(gt=0.0, le=60.0)] = 1.0
    """Length."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"sound"})

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the rows with samples, all counted as changed."""
        require(table, [self.column], step=self.kind, types=BYTES)
        results = [self._samples(data) for data in table[self.column]]
        bad = [result if isinstance(result, Unreadable) else None for result in results]
        values = pl.Series([None if isinstance(r, Unreadable) else r for r in results], dtype=pl.Binary)
        shape = {RATE: self.rate, SAMPLES: self.length}
        columns = [pl.lit(value, dtype=pl.Int32).alias(name) for name, value in shape.items()]
        outcome = dropped_where(
            table.with_columns(values.alias(self.column), *columns),
            pl.Series([b and b.reason for b in bad], dtype=pl.String),
            pl.Series([b and b.evidence for b in bad], dtype=pl.String),
            step=self.kind,
        )
        return Outcome(outcome.kept, outcome.dropped, {self.kind: outcome.kept.height} if outcome.kept.height else {})

    @property
    def length(self) -> int:
        """Samples of each sound."""
        return max(1, round(self.rate * self.seconds))

    def _samples(self, data: bytes | None) -> bytes | Unreadable:
        import numpy as np

        wave = decoded_wave(data)
        if isinstance(wave, Unreadable):
            return wave
        if wave.rate * _APART < self.rate:
            return Unreadable("unsupported", f"{wave.rate} Hz cannot become {self.rate} Hz")
        found = np.zeros(self.length)
        resampled = self._resampled(wave)[: self.length]
        found[: len(resampled)] = resampled
        return (found * 32768).round().clip(-32768, 32767).astype("<i2").tobytes()

    def _resampled(self, wave: Wave) -> NDArray[np.float64]:
        import numpy as np

        # No more is decoded than is kept, but for the filter's reach.
        needed = math.ceil(self.seconds * wave.rate) + 20 * max(1, wave.rate // self.rate)
        mono: NDArray[np.float64] = wave.samples[:needed].astype(np.float64).mean(axis=1)
        if wave.rate == self.rate or not len(mono):
            return mono
        from scipy.signal import resample_poly

        found: NDArray[np.float64] = resample_poly(mono, *ratio(self.rate, wave.rate))
        return found


def ratio(rate: int, other: int) -> tuple[int, int]:
    """Two rates, or the nearest two numbers up to 4096 that go alike."""
    fraction = Fraction(min(rate, other), max(rate, other)).limit_denominator(_TERM)
    low, high = fraction.as_integer_ratio()
    return (low, high) if rate < other else (high, low)
