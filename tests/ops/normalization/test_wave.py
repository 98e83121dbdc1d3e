from __future__ import annotations

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.normalization.wave import Unreadable, Wave, decoded_wave
from tests.ops.normalization.sounds import riff, wav


def read(data: bytes | None) -> Wave:
    found = decoded_wave(data)
    assert isinstance(found, Wave), found
    return found


@given(st.sampled_from([1, 2, 3, 4]), st.integers(1, 3), st.binary(max_size=120), st.sampled_from([8000, 44_100]))
def test_pcm_against_the_standard_librarys_writer(width: int, channels: int, data: bytes, rate: int) -> None:
    data = data[: len(data) // (width * channels) * width * channels]
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(data)
    found = read(file.getvalue())
    values = [data[k : k + width] for k in range(0, len(data), width)]
    plain = [
        (v[0] - 128) / 128 if width == 1 else int.from_bytes(v, "little", signed=True) / 2 ** (8 * width - 1)
        for v in values
    ]
    assert (found.rate, found.samples.shape) == (rate, (len(data) // width // channels, channels))
    assert found.samples.ravel().tolist() == np.array(plain, np.float32).tolist()


def test_floats_and_the_extensible_format() -> None:
    values = np.array([0.5, -1.0, 0.25, 1.0])
    for dtype, bits in (("<f4", 32), ("<f8", 64)):
        assert read(riff(values.astype(dtype).tobytes(), 3, 2, 16_000, bits)).samples.tolist() == [[0.5, -1], [0.25, 1]]
    guid = struct.pack("<HHIH", 22, 16, 0, 1) + bytes(14)
    assert read(riff(b"\0\x40", 0xFFFE, 1, 8000, 16, guid)).samples.tolist() == [[0.5]]


GOOD = wav(np.zeros(10))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "missing"),
        (b"", "missing"),
        (b"ID3" + bytes(40), "not_wav"),
        (GOOD[:11], "not_wav"),
        (GOOD[:-1], "truncated"),
        (GOOD[:30], "truncated"),
        (GOOD[:20], "truncated"),
        (riff(b"\0\0\0", 1, 1, 8000, 16), "truncated"),
        (riff(b"\0\0", 6, 1, 8000, 8), "unsupported"),
        (riff(b"\0\0", 1, 0, 8000, 16), "unsupported"),
        (riff(b"\0\0", 1, 1, 0, 16), "unsupported"),
        (riff(np.array([np.nan], "<f4").tobytes(), 3, 1, 8000, 32), "not_finite"),
        (b"RIFF\0\0\0\0WAVEdata\2\0\0\0\0\0", "not_wav"),
    ],
)
def test_what_cannot_be_read_is_named(data: bytes | None, reason: str) -> None:
    found = decoded_wave(data)
    assert isinstance(found, Unreadable) and found.reason == reason and found.evidence


@given(st.binary(max_size=80), st.integers(0, 60), st.binary(min_size=1, max_size=3))
def test_no_bytes_make_it_raise(data: bytes, place: int, bad: bytes) -> None:
    damaged = GOOD[:place] + bad + GOOD[place + len(bad) :]
    for content in (data, b"RIFF\0\0\0\0WAVE" + data, damaged):
        assert isinstance(decoded_wave(content), Wave | Unreadable)


@pytest.mark.mirror
def test_real_recordings(mirror: Path) -> None:
    import tarfile

    with tarfile.open(next((mirror / "spoken_digits").glob("*.tar*"))) as archive:
        for member in [m for m in archive if m.name.endswith(".wav")][:50]:
            file = archive.extractfile(member)
            assert file is not None
            data = file.read()
            with wave.open(io.BytesIO(data)) as reader:
                expected = np.frombuffer(reader.readframes(reader.getnframes()), "<i2") / 32768
                assert read(data).samples.ravel() == pytest.approx(expected, abs=1e-7)
                assert read(data).rate == reader.getframerate()
