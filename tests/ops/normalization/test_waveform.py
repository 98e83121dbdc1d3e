from __future__ import annotations

from math import gcd

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import resample_poly

from ops.normalization import waveform
from ops.normalization.waveform import Waveform, ratio
from ops.steps import Facts, Outcome
from tests.ops.normalization.sounds import wav


def apply(data: bytes, rate: int, seconds: float) -> Outcome:
    table = pl.DataFrame({"id": ["a"], "sound": [data]})
    return Waveform(rate=rate, seconds=seconds).apply(table, Facts("p"))


@pytest.mark.parametrize(("rate", "other"), [(8000, 48_000), (48_000, 8000), (16_000, 44_100), (1000, 768_000)])
def test_a_cut_sound_is_the_start_of_the_whole_one(rate: int, other: int) -> None:
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, round(0.3 * other))
    kept = apply(wav(noise, other), rate, 0.1).kept
    common = gcd(rate, other)
    whole = resample_poly((noise * 32767).round() / 32768, rate // common, other // common)[: round(0.1 * rate)]
    expected = (whole * 32768).round().clip(-32768, 32767)
    assert np.frombuffer(kept["sound"][0], "<i2").tolist() == pytest.approx(expected.tolist(), abs=1)


@given(st.integers(1000, 192_000), st.integers(200, 768_000))
def test_ratios_are_small_and_near(rate: int, other: int) -> None:
    up, down = ratio(rate, other)
    assert 1 <= up <= 4096 and 1 <= down <= 4096
    assert up / down == pytest.approx(rate / other, rel=1 / 4096)
    common = gcd(rate, other)
    if max(rate, other) // common <= 4096:
        assert (up, down) == (rate // common, other // common)


def test_odd_rates_cost_no_more_than_others(monkeypatch: pytest.MonkeyPatch) -> None:
    terms: list[int] = []

    def seen(rate: int, other: int) -> tuple[int, int]:
        terms.extend(found := ratio(rate, other))
        return found

    monkeypatch.setattr(waveform, "ratio", seen)
    assert apply(wav(np.zeros(1000), 767_999), 16_000, 1.0).kept.height == 1
    assert terms and max(terms) <= 4096
    outcome = apply(wav(np.zeros(1000), 1), 16_000, 60.0)
    assert outcome.dropped.rows() == [("a", "waveform", "unsupported", "1 Hz cannot become 16000 Hz")]
