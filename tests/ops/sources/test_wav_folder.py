"""Folders and archives of recordings: bytes kept, labels from folders or names, damaged headers rejected."""

from __future__ import annotations

import io
import struct
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.sources.wav_folder import WavFolder, read_header
from tests.ops.sources.packing import PACK, tar, zipped
from tests.ops.sources.reading import whole


def recording(seconds: float = 0.01, rate: int = 8000, channels: int = 1, width: int = 2) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(bytes(round(seconds * rate) * channels * width))
    return stream.getvalue()


@given(st.integers(1, 90), st.sampled_from([8000, 44100]), st.integers(1, 3), st.sampled_from([1, 2, 3, 4]))
def test_headers_are_read_as_the_standard_library_reads_them(frames: int, rate: int, channels: int, width: int) -> None:
    data = recording(frames / rate, rate, channels, width)
    seen = read_header(data)
    with wave.open(io.BytesIO(data)) as file:
        assert seen[:3] == (file.getnchannels(), file.getframerate(), 8 * file.getsampwidth())
        assert seen.seconds == pytest.approx(file.getnframes() / file.getframerate())


def test_folders_and_archives_give_the_same_rows(tmp_path: Path) -> None:
    files = {"one/a.wav": recording(), "two/b.wav": recording(0.02), "two/deep/c.wav": recording(0.03)}
    for name, data in files.items():
        path = tmp_path / "sounds" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "s.tar.gz").write_bytes(PACK["gz"](tar(files)))
    (tmp_path / "s.zip").write_bytes(zipped({f"top/{name}": data for name, data in files.items()}))
    wanted = [(data, name.split("/")[0]) for name, data in files.items()]
    for place, inside, prefix in (("sounds", "", ""), ("s.tar.gz", "", "s.tar.gz/"), ("s.zip", "top", "s.zip/top/")):
        batch = whole(WavFolder(path=place, inside=inside).resolve(tmp_path).read())
        assert batch.table.columns == ["sound", "label", "file"]
        assert batch.table.select("sound", "label").rows() == wanted
        assert batch.table["file"].to_list() == [prefix + name for name in files]
        assert batch.rejects.is_empty()


def test_labels_from_names(tmp_path: Path) -> None:
    files = {"7_jackson_3.wav": recording(), "noise.wav": recording()}
    (tmp_path / "s.tar").write_bytes(tar(files))
    source = WavFolder(path="s.tar", pattern=r"^(?P<label>\d)_(?P<speaker>[a-z]+)_").resolve(tmp_path)
    assert list(source.columns) == ["sound", "label", "speaker"]
    batch = whole(source.read())
    assert batch.table.select("label", "speaker").rows() == [("7", "jackson")]
    assert batch.rejects.select("file", "reason").rows() == [("s.tar/noise.wav", "no_label")]
    for pattern in ("(", r"(\d)", "(?P<label>x)(?P<id>y)"):
        with pytest.raises(ValueError, match=r"regular expression|no group|reserved"):
            WavFolder(path="s", pattern=pattern)


def test_what_is_rejected(tmp_path: Path) -> None:
    good = recording()
    fmt = good.find(b"fmt ")
    floats = good[: fmt + 8] + struct.pack("<H", 3) + good[fmt + 10 :]
    cases = {
        "a/cut.wav": (good[:-20], "cut_off"),
        "a/empty.wav": (b"", "empty_file"),
        "a/float.wav": (floats, "not_pcm"),
        "a/long.wav": (recording(0.2), "too_long"),
        "a/mp3.wav": (b"ID3\x04" + bytes(100), "undecodable"),
        "a/name.mp3": (good, "wrong_extension"),
        "a/none.wav": (recording(0.0), "empty_sound"),
        "a/nothing.wav": (good[:40], "undecodable"),
        "beside.wav": (good, "no_class_folder"),
    }
    (tmp_path / "s.tar").write_bytes(tar({name: data for name, (data, _) in cases.items()}))
    batch = whole(WavFolder(path="s.tar", max_seconds=0.1).resolve(tmp_path).read())
    assert batch.table.is_empty()
    assert batch.rejects.select("file", "reason").rows() == [(f"s.tar/{name}", cases[name][1]) for name in cases]


@given(st.binary(max_size=80), st.integers(0, 60))
def test_damaged_headers_raise_nothing_else(junk: bytes, place: int) -> None:
    good = recording()
    try:
        read_header(good[:place] + junk + good[place + len(junk) :])
    except ValueError as error:
        assert ": " in str(error)


@pytest.mark.mirror
def test_spoken_digits(mirror: Path) -> None:
    path = mirror / "spoken_digits" / "recordings_4_speakers.tar"
    source = WavFolder(path=str(path), pattern=r"^(?P<label>\d)_(?P<speaker>[a-z]+)_\d+\.wav$")
    batch = whole(source.read())
    assert (batch.table.height, batch.rejects.height) == (2000, 0)
    assert batch.table["label"].n_unique() == 10
    assert batch.table["speaker"].n_unique() == 4
