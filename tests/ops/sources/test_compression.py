"""Compressed files: read whole, cut off anywhere, damaged, followed by garbage, or meant to fill the memory."""

from __future__ import annotations

import io
import itertools
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import BadData
from ops.sources.compression import RATIO_FROM, Budget, Unpacking, form_of, unpacked
from ops.sources.text import Text
from tests.ops.sources.packing import PACK
from tests.ops.sources.reading import whole

TEXT = "".join(f"line {i} of a text that packs well enough\n" for i in range(3_000)).encode()
LINES = TEXT.decode().splitlines()


def lines(folder: Path, name: str, data: bytes, **settings: object) -> list[str]:
    (folder / name).write_bytes(data)
    source = Text.model_validate({"kind": "text", "path": name, **settings}).resolve(folder)
    batch = whole(source.read())
    assert batch.rejects.is_empty()
    assert set(batch.table["file"]) <= {name}
    return batch.table["text"].to_list()


@pytest.mark.parametrize("form", PACK)
@pytest.mark.parametrize("name", ["a.txt.{}", "no_ending"])
def test_the_content_decides_not_the_name(form: str, name: str, tmp_path: Path) -> None:
    assert lines(tmp_path, name.format(form), PACK[form](TEXT)) == LINES


@pytest.mark.parametrize("form", PACK)
@given(data=st.binary(max_size=3000), cuts=st.lists(st.integers(0, 3000), max_size=3), size=st.integers(1, 5000))
def test_streams_after_one_another_are_one(form: str, data: bytes, cuts: list[int], size: int) -> None:
    places = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    pieces = [data[a:b] for a, b in itertools.pairwise(places)] or [b""]
    packed = b"".join(PACK[form](piece) for piece in pieces)
    kind = form_of(packed)
    assert kind is not None
    stream = unpacked(io.BytesIO(packed), kind, "f", Budget(Unpacking(), "f"))
    found = b""
    while block := stream.read(size):
        found += block
    assert found == data


@pytest.mark.parametrize("form", PACK)
@pytest.mark.parametrize("left", [0, 1, 5, 100, 0.5, -8, -1])
def test_cut_off_is_an_error_with_file_and_offset(form: str, left: float, tmp_path: Path) -> None:
    packed = PACK[form](TEXT)
    size = int(left * len(packed)) if left == 0.5 else int(left) % len(packed)
    with pytest.raises(BadData, match=rf"^a\.{form}:{size}: input_truncated: .* cut off at byte {size}$"):
        lines(tmp_path, f"a.{form}", packed[:size])


@pytest.mark.parametrize("form", ["gz", "bz2", "xz"])
def test_a_bad_check_sum_is_an_error(form: str, tmp_path: Path) -> None:
    packed = bytearray(PACK[form](TEXT))
    packed[len(packed) // 2] ^= 0x10
    with pytest.raises(BadData, match=rf"^a\.{form}:\d+: input_(damaged|truncated)"):
        lines(tmp_path, f"a.{form}", bytes(packed))


@pytest.mark.parametrize("form", PACK)
def test_garbage_behind_is_an_error_and_zeros_are_none(form: str, tmp_path: Path) -> None:
    packed = PACK[form](TEXT)
    with pytest.raises(BadData, match="input_damaged"):
        lines(tmp_path, f"a.{form}", packed + b"garbage behind it")
    if form != "zst":
        assert lines(tmp_path, f"a.{form}", packed + bytes(1000) + packed) == LINES * 2
        assert lines(tmp_path, f"a.{form}", packed + bytes(100_000)) == LINES


def test_names_that_promise_something_else(tmp_path: Path) -> None:
    for name, data in {
        "a.gz": TEXT,
        "a.zst": PACK["gz"](TEXT),
        "a.tar": TEXT,
        "a.zip": TEXT,
        "a.tar.gz": PACK["gz"](TEXT),
    }.items():
        with pytest.raises(BadData, match=rf"^{name}: input_damaged: its name says"):
            lines(tmp_path, name, data)
    with pytest.raises(BadData, match=r"cannot read \.7z"):
        lines(tmp_path, "a.7z", b"7z\xbc\xaf'\x1c")


def test_packed_twice(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="nested_archive"):
        lines(tmp_path, "a.gz", PACK["gz"](PACK["xz"](TEXT)))


@pytest.mark.parametrize("form", PACK)
def test_a_bomb_is_left_before_twice_the_cap(form: str) -> None:
    packed = PACK[form](bytes(80 << 20))
    assert len(packed) < 300_000
    kind = form_of(packed)
    assert kind is not None
    budget = Budget(Unpacking(), "bomb")
    stream = unpacked(io.BytesIO(packed), kind, "bomb", budget)
    with pytest.raises(BadData, match=r"^bomb: archive_bomb: it unpacks to"):
        while stream.read(1 << 20):
            pass
    assert budget.unpacked < RATIO_FROM * 2
    budget = Budget(Unpacking(max_bytes=1_000_000), "bomb")
    stream = unpacked(io.BytesIO(packed), kind, "bomb", budget)
    with pytest.raises(BadData, match=r"archive_bomb: it unpacks to more than 1,000,000 bytes"):
        while stream.read(1 << 20):
            pass
    assert budget.unpacked < 2_000_000


def test_the_recipe_may_allow_more(tmp_path: Path) -> None:
    packed = PACK["gz"](TEXT)
    with pytest.raises(BadData, match="archive_bomb"):
        lines(tmp_path, "a.gz", packed, unpacking={"max_bytes": len(TEXT) - 1})
    assert lines(tmp_path, "a.gz", packed, unpacking={"max_bytes": len(TEXT)}) == LINES


def test_a_plain_deflate_stream_is_no_gzip() -> None:
    assert form_of(zlib.compress(TEXT)) is None
    assert form_of(b"BZh9 is how this text begins") is None
