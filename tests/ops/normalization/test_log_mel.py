from __future__ import annotations

import cmath
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.errors import ConfigError
from ops.normalization.image_statistics import PixelMoments
from ops.normalization.log_mel import LogMel
from ops.normalization.mel import decibels_of, frames_of, mel_filters, powers, quantised
from ops.normalization.waveform import Waveform
from ops.steps import Facts, Outcome
from tests.ops.normalization.sounds import sine, wav


def table(sounds: list[bytes | None]) -> pl.DataFrame:
    rows = {"id": [f"p/{k}" for k in range(len(sounds))], "sound": sounds, "split": ["train"] * len(sounds)}
    return pl.DataFrame(rows, schema_overrides={"id": pl.String, "sound": pl.Binary, "split": pl.String})


def spectrograms(sounds: list[bytes | None], step: LogMel, rate: int = 8000, seconds: float = 0.5) -> Outcome:
    waves = Waveform(rate=rate, seconds=seconds).apply(table(sounds), Facts("p"))
    return step.apply(waves.kept, Facts("p"))


def naive_power(signal: list[float], window: int, hop: int) -> list[list[float]]:
    """By the formula, sum by sum."""
    weights = [0.5 - 0.5 * math.cos(2 * math.pi * n / window) for n in range(window)]
    rows = []
    for start in range(0, (frames_of(len(signal), window, hop) - 1) * hop + 1, hop):
        part = [*signal[start : start + window], *[0.0] * window][:window]
        sums = [
            sum(
                w * x * cmath.exp(-2j * math.pi * k * n / window)
                for n, (w, x) in enumerate(zip(weights, part, strict=True))
            )
            for k in range(window // 2 + 1)
        ]
        rows.append([abs(s) ** 2 * 4 / sum(weights) ** 2 for s in sums])
    return rows


@settings(max_examples=20)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=40), st.sampled_from([(8, 3), (16, 8), (10, 10)]))
def test_power_by_the_formula(signal: list[float], sizes: tuple[int, int]) -> None:
    found = powers(np.array([signal], np.float32), *sizes)[0]
    assert found == pytest.approx(np.array(naive_power(signal, *sizes)), abs=1e-5)
    covered = (len(found) - 1) * sizes[1] + sizes[0]
    assert covered >= len(signal) and (len(found) == 1 or covered - sizes[1] < len(signal))


def test_filters_are_triangles_evenly_spaced_in_mels() -> None:
    filters = mel_filters(8000, 256, 10, 100.0, 4000.0)
    mels = [2595 * math.log10(1 + f / 700) for f in (100.0, 4000.0)]
    corners = [700 * (10 ** ((mels[0] + (mels[1] - mels[0]) * k / 11) / 2595) - 1) for k in range(12)]
    for number in range(10):
        left, top, right = corners[number : number + 3]
        for k in range(129):
            f = k * 8000 / 256
            expected = max(0.0, min((f - left) / (top - left), (right - f) / (right - top)))
            assert filters[k, number] == pytest.approx(expected, abs=1e-5)


def test_a_sine_shows_at_its_pitch_and_level() -> None:
    step = LogMel(window=256, hop=128, mels=20, low=50.0)
    outcome = spectrograms([wav(sine(1000.0)), wav(sine(3000.0, height=0.05))], step)
    assert outcome.changed == {"log_mel": 2}
    frames, width, mels = outcome.kept.select("height", "width", "channels").row(0)
    assert (width, mels) == (1, 20) and frames == frames_of(4000, 256, 128)
    images = [np.frombuffer(data, np.uint8).reshape(frames, mels) for data in outcome.kept["sound"]]
    peaks = [int(image[5].argmax()) for image in images]
    tops = mel_filters(8000, 256, 20, 50.0, 4000.0).argmax(axis=0) * 8000 / 256
    assert tops[peaks[0]] == pytest.approx(1000, rel=0.2) and tops[peaks[1]] == pytest.approx(3000, rel=0.2)
    assert decibels_of(images[0])[5].max() - decibels_of(images[1])[5].max() == pytest.approx(20, abs=2.5)


def test_levels_are_kept_within_half_a_step() -> None:
    power = np.array([1.0, 0.5, 1e-3, 1e-8, 1e-12, 4.0], np.float32)
    assert decibels_of(quantised(power)) == pytest.approx([0, -3.01, -30, -80, -80, 0], abs=80 / 255 / 2 + 0.01)


def test_moments_of_each_mel_channel() -> None:
    outcome = spectrograms([wav(sine(500.0)), wav(sine(2000.0)), wav(np.zeros(100))], LogMel(window=256, mels=8))
    moments = PixelMoments("sound")
    for part in (outcome.kept[:1], outcome.kept[1:]):
        moments.update(part)
    values = np.concatenate([np.frombuffer(data, np.uint8).reshape(-1, 8) for data in outcome.kept["sound"]]) / 255
    found = moments.result()
    assert found["mean"] == pytest.approx(values.mean(axis=0)) and found["std"] == pytest.approx(values.std(axis=0))


def test_what_cannot_be_asked() -> None:
    with pytest.raises(ConfigError, match="no common rate"):
        LogMel().apply(table([wav(sine(500.0))]), Facts("p"))
    with pytest.raises(ConfigError, match=r"20\.0 to 5000\.0 Hz is not within"):
        spectrograms([wav(sine(500.0))], LogMel(high=5000.0))
    with pytest.raises(ValueError, match="not above low"):
        LogMel(low=100.0, high=50.0)


def test_waveforms_have_one_rate_and_length() -> None:
    tones = [wav(sine(440.0, 0.3, 16_000), 16_000), wav(sine(440.0, 1.0))]
    sounds: list[bytes | None] = [*tones, b"no sound", wav(np.zeros((5, 2)))]
    outcome = Waveform(rate=8000, seconds=0.5).apply(table(sounds), Facts("p"))
    assert outcome.kept["id"].to_list() == ["p/0", "p/1", "p/3"] and outcome.changed == {"waveform": 3}
    assert outcome.dropped.select("id", "step", "reason").rows() == [("p/2", "waveform", "not_wav")]
    assert outcome.kept.select("rate", "samples").unique().rows() == [(8000, 4000)]
    waves = [np.frombuffer(data, "<i2") / 32768 for data in outcome.kept["sound"]]
    expected = sine(440.0, 0.3)
    assert waves[0][100:2300] == pytest.approx(expected[100:2300], abs=0.01)  # resampled, but for the ends
    assert not waves[0][2450:].any()
    assert waves[1] == pytest.approx(sine(440.0), abs=1e-4) and not waves[2].any()


def test_two_channels_are_mixed() -> None:
    both = np.stack([sine(440.0), -sine(440.0)], axis=1)
    outcome = Waveform(rate=8000, seconds=0.5).apply(table([wav(both)]), Facts("p"))
    assert abs(np.frombuffer(outcome.kept["sound"][0], "<i2")).max() <= 1
