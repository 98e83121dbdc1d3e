from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from ops.augmentation.base import Change, Shape
from ops.augmentation.config import Augmentation
from ops.augmentation.engine import row_seed
from ops.augmentation.sound_noise import SoundNoise
from ops.augmentation.sound_shift import SoundShift
from ops.augmentation.spec_augment import SpecAugment
from ops.errors import ConfigError
from ops.normalization.log_mel import LogMel
from ops.normalization.waveform import Waveform
from ops.steps import Facts, apply_steps
from tests.ops.normalization.sounds import sine, wav

COUNT = 200


def changed(step: Change, value: NDArray[Any], shape: Shape | None = None, seeds: range = range(COUNT)) -> NDArray[Any]:
    values = pl.Series([value.tobytes()] * len(seeds), dtype=pl.Binary)
    found = step.change(values, seeds, shape)
    return np.frombuffer(b"".join(found.to_list()), value.dtype).reshape(len(seeds), *value.shape)


def test_shifts_are_even_and_leave_silence() -> None:
    wave = np.arange(1, 1001, dtype="<i2")
    shifts = []
    for row in changed(SoundShift(limit=0.2), wave):
        shift = int(np.flatnonzero(row)[0]) if row[-1] != 1000 and row[0] == 0 else 1 - int(row[0])
        expected = np.zeros(1000, "<i2")
        if shift >= 0:
            expected[shift:] = wave[: 1000 - shift]
        else:
            expected[:shift] = wave[-shift:]
        assert row.tolist() == expected.tolist()
        shifts.append(shift)
    assert -200 <= min(shifts) < -150 and 150 < max(shifts) <= 200 and abs(np.mean(shifts)) < 30


def test_noise_has_the_ratio_and_is_white() -> None:
    wave = (sine(440.0) * 32767).astype("<i2")
    for low in (5.0, 20.0):
        noise = (changed(SoundNoise(low=low, high=low), wave) - wave.astype(np.float64)) / 32768
        ratio = 10 * np.log10(((wave / 32768.0) ** 2).mean() / (noise**2).mean())
        assert ratio == pytest.approx(low, abs=0.1)
        assert abs(noise.mean()) < 0.01 * noise.std()
        assert abs(np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]) < 0.01
        assert ((noise / noise.std()) ** 4).mean() == pytest.approx(3, abs=0.1)  # a normal distribution's fourth moment
    assert not changed(SoundNoise(), np.zeros(100, "<i2")).any()


def test_masks_are_whole_strips_of_the_mean() -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, 1, 20), dtype=np.uint8)
    mean = round(float(image.mean()))
    found = changed(SpecAugment(times=1, time_limit=0.2, pitches=1, pitch_limit=0.5), image, (50, 1, 20))[:, :, 0]
    widths: list[tuple[int, int]] = []
    for row in found:
        hidden = row != image[:, 0]
        times, pitches = hidden.mean(axis=1) > 0.8, hidden.mean(axis=0) > 0.8
        assert (row[hidden] == mean).all()
        assert (hidden <= (times[:, None] | pitches)).all()
        for strip in (times, pitches):
            assert np.abs(np.diff(np.pad(strip, 1).astype(int))).sum() in (0, 2)  # one strip or none
        widths.append((int(times.sum()), int(pitches.sum())))
    assert max(w for w, _ in widths) == 10 and max(w for _, w in widths) == 10
    assert len(set(widths)) > 50


@pytest.mark.parametrize("step", [SoundShift(), SoundNoise(), SpecAugment()])
def test_a_value_is_changed_alike_wherever_it_stands(step: Change) -> None:
    value = np.random.default_rng(1).integers(0, 200, (40, 1, 10), dtype=np.uint8)
    shape = (40, 1, 10) if isinstance(step, SpecAugment) else None
    whole = changed(step, value, shape)
    assert changed(step, value, shape, range(150, 190)).tobytes() == whole[150:190].tobytes()
    never = step.model_copy(update={"probability": 0.0})
    assert changed(never, value, shape).tobytes() == value.tobytes() * COUNT


def test_sounds_are_altered_before_their_spectrograms_are_made() -> None:
    table = pl.DataFrame(
        {"id": ["p/0", "p/1"], "sound": [wav(sine(440.0)), wav(sine(900.0))], "split": ["train", "valid"]}
    )
    first, rest = [Waveform(rate=8000, seconds=0.5)], [LogMel(window=256, hop=128, mels=16)]
    waves = apply_steps(table, first, Facts("p")).kept

    def finish(rows: pl.DataFrame) -> pl.DataFrame:
        return apply_steps(rows, rest, Facts("p")).kept

    def augmented(*steps: dict[str, Any]) -> pl.DataFrame:
        return Augmentation(copies=2, steps=list(steps)).apply(waves, Facts("p"), "sound", finish).kept  # type: ignore[arg-type]

    shifted = augmented({"kind": "sound_shift", "limit": 0.5})
    assert shifted["id"].to_list() == ["p/0", "p/1", "p/0+1", "p/0+2"] and "samples" not in shifted.columns
    assert shifted[:2]["sound"].to_list() == finish(waves)["sound"].to_list()
    by_hand = SoundShift(limit=0.5)
    moved = by_hand.change(waves["sound"][:1], [row_seed(0, "p/0", 1, 0)], None)
    assert shifted["sound"][2] == finish(waves[:1].with_columns(moved.alias("sound")))["sound"][0]
    both = augmented({"kind": "sound_shift", "limit": 0.5}, {"kind": "spec_augment"})
    assert both["sound"][2] != shifted["sound"][2] and len(both["sound"][2]) == len(shifted["sound"][2])


def test_what_cannot_be_asked() -> None:
    steps: list[dict[str, Any]] = [{"kind": "spec_augment"}, {"kind": "sound_noise"}]
    with pytest.raises(ValidationError, match="come before"):
        Augmentation.model_validate({"steps": steps})
    with pytest.raises(ConfigError, match="no spectrograms"):
        changed(SpecAugment(), np.zeros(4, np.uint8))
    with pytest.raises(ValidationError, match="above high"):
        SoundNoise(low=20.0, high=10.0)


def test_strips_that_mask_nothing_are_refused() -> None:
    with pytest.raises(ValidationError, match="nothing would be masked"):
        SpecAugment(times=0, pitches=0)
