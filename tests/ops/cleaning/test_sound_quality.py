from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.cleaning.sound_quality import SoundQuality, clipped_share
from ops.steps import Facts, Outcome
from tests.ops.normalization.sounds import riff, sine, wav


def apply(sounds: list[bytes | None], step: SoundQuality) -> Outcome:
    table = pl.DataFrame(
        {"id": [f"p/{k}" for k in range(len(sounds))], "sound": sounds}, schema_overrides={"sound": pl.Binary}
    )
    return step.apply(table, Facts("p"))


def test_each_reason_with_its_evidence() -> None:
    loud = np.clip(sine(200.0, height=3.0), -1, 1)
    sounds = [
        wav(sine(440.0)),
        None,
        b"RIFF",
        wav(sine(440.0))[:-7],
        wav(sine(440.0, 0.04)),
        wav(sine(440.0, 3.0)),
        wav(sine(440.0, 0.5, 44_100), 44_100),
        wav(np.zeros(4000)),
        wav(loud),
        wav(np.zeros(0)),
    ]
    outcome = apply(sounds, SoundQuality(maximum=2.0, rates=[8000]))
    assert outcome.kept["id"].to_list() == ["p/0"]
    reasons = [
        "missing",
        "not_wav",
        "truncated",
        "too_short",
        "too_long",
        "wrong_rate",
        "silent",
        "clipped",
        "too_short",
    ]
    assert outcome.dropped["reason"].to_list() == reasons
    evidence = outcome.dropped["evidence"].to_list()
    assert evidence[3:7] == ["0.04 s", "3.0 s", "44100 Hz", "-200.0 dB"] and evidence[7].endswith("clipped")


def test_scores_by_the_formula() -> None:
    scores = SoundQuality().score(pl.DataFrame({"id": ["a"], "sound": [wav(sine(500.0, height=0.1))]}))
    row = scores.row(0, named=True)
    assert (row["seconds"], row["rate"], row["channels"], row["clipped"]) == (0.5, 8000, 1, 0.0)
    assert row["loudness"] == pytest.approx(20 * math.log10(0.1 / math.sqrt(2)), abs=0.01)


@given(st.lists(st.lists(st.sampled_from([1.0, -1.0, 0.9, 0.0]), min_size=2, max_size=2), min_size=1, max_size=12))
def test_clipping_against_plain_python(frames: list[list[float]]) -> None:
    count = 0
    for channel in range(2):
        values = [frame[channel] for frame in frames]
        start = 0
        while start < len(values):
            end = start
            while end < len(values) and values[end] == values[start]:
                end += 1
            count += (end - start) if abs(values[start]) == 1 and end - start >= 3 else 0
            start = end
    assert clipped_share(np.array(frames, np.float32), 1.0) == pytest.approx(count / (2 * len(frames)))


def test_full_scale_of_each_depth() -> None:
    full = {8: bytes([255] * 9), 16: b"\xff\x7f" * 9, 24: b"\xff\xff\x7f" * 9, 32: b"\xff\xff\xff\x7f" * 9}
    table = pl.DataFrame({"id": list("abcd"), "sound": [riff(d, 1, 1, 8000, bits) for bits, d in full.items()]})
    assert SoundQuality().score(table)["clipped"].to_list() == [1.0] * 4


def test_thresholds_are_no_part_of_the_scores() -> None:
    assert SoundQuality(clipped=0.5, rates=[8000], maximum=9.0).score_key == SoundQuality().score_key


@pytest.mark.mirror
def test_real_recordings(mirror: Path) -> None:
    import tarfile

    with tarfile.open(next((mirror / "spoken_digits").glob("*.tar*"))) as archive:
        files = [archive.extractfile(m) for m in archive if m.name.endswith(".wav")]
        sounds: list[bytes | None] = [file.read() for file in files if file is not None]
    assert len(sounds) == 2000
    outcome = apply(sounds, SoundQuality(minimum=0.2, rates=[8000]))
    reasons = dict(outcome.dropped["reason"].value_counts().iter_rows())
    # Five files touch full scale with single samples; none has a run of three.
    assert set(reasons) == {"too_short"} and outcome.kept.height > 1900
