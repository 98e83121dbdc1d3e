"""Looking into things: figures against what was written, hostile files refused in a line."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.numpy import save_file

from ops.errors import BadData, ConfigError, IntegrityError
from ops.stages.cached import cached_rows
from ops.storage import Store
from pipelines.peek import Sheet, cut, peek
from pipelines.peek_files import cell, image_form, look_at


def grid(sheet: Sheet, title: str) -> list[dict[str, Any]]:
    for found in sheet.data()["tables"]:
        if title in found["title"]:
            return list(found["rows"])
    raise AssertionError(f"{title} is not among {[g.title for g in sheet.grids]}")


def test_a_recipe_its_stages_and_their_partitions(built: Store) -> None:
    stages = {row["stage"]: row for row in grid(peek("tiny", built, 3), "stages")}
    assert stages["raw_corpus"]["rows"] == 120
    assert stages["raw_corpus"]["partitions"] == 2
    assert list(stages)[:2] == ["raw_corpus", "signatures"]
    sheet = peek("tiny/raw_corpus", built, 3)
    assert [row["partition"] for row in grid(sheet, "partitions")] == ["0", "1"]
    one = peek("tiny/raw_corpus/1", built, 3)
    assert one.figures["rows out"] + sheet.figures["rows out"] == 120
    assert len(grid(one, "data.parquet: first 3")) == 3
    json.dumps(one.data())


def test_a_token_cache_shows_tokens(built: Store) -> None:
    version = built.slot("tiny", "token_cache", "0").current()
    assert version is not None
    index = cached_rows(version)
    tokens = version.array("data.bin", "<u2")
    sheet = peek("tiny/token_cache/0", built, 2)
    shown = grid(sheet, "tokens")
    assert [row["id"] for row in shown] == index["id"].to_list()[:2]
    first = tokens[: min(index["length"][0], 16)].tolist()
    assert shown[0]["first tokens"].removesuffix(" …").split() == [str(token) for token in first]


def test_paths_lead_to_the_same(built: Store) -> None:
    folder = built.slot("tiny", "statistics").path / "current"
    by_name = peek("tiny/statistics", built, 3).figures["digest"]
    assert peek(str(folder), built, 3).figures["digest"] == by_name
    assert peek(str(folder / "manifest.json"), built, 3).figures["digest"] == by_name
    assert peek(str(folder / "statistics.json"), built, 3).figures["keys"] > 0


def test_a_broken_file_is_named_before_it_is_parsed(built: Store) -> None:
    path = built.slot("tiny", "raw_corpus", "0").path / "current" / "data.parquet"
    data = bytearray(path.read_bytes())
    path.unlink()
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"data\.parquet"):
        peek(str(path), built, 3)


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("tny", "did you mean 'tiny'"),
        ("tiny/raw_corpsu", "did you mean 'raw_corpus'"),
        ("tiny/raw_corpus/7", "it has: 0, 1"),
        ("../../none", "neither a file nor in the store"),
        ("a\0b", "neither a file nor in the store"),
        ("", "neither a file nor in the store"),
    ],
)
def test_what_is_not_there(built: Store, target: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text.replace("(", r"\(")):
        peek(target, built, 3)


def test_parquet_figures_are_those_of_the_columns(tmp_path: Path) -> None:
    table = pl.DataFrame({"n": [1, 2, None, 9], "t": ["a", "bcd", "", None], "f": [0.5, float("nan"), 1.0, 2.0]})
    table.write_parquet(tmp_path / "a.parquet")
    sheet = look_at(tmp_path / "a.parquet", 10)
    columns = {row["column"]: row for row in grid(sheet, "columns")}
    assert columns["n"] == {"column": "n", "type": "Int64", "nulls": 1, "least": "1", "mean": "4", "most": "9"}
    assert (columns["t"]["least"], columns["t"]["most"]) == ("0 characters", "3 characters")
    assert sheet.figures["rows"] == 4
    assert grid(sheet, "first 4")[1]["f"] == "nan"
    json.dumps(sheet.data(), allow_nan=False)


def test_tensors(tmp_path: Path) -> None:
    weights: dict[str, Any] = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array([3], np.int64)}
    save_file(weights, tmp_path / "m.safetensors", metadata={"made": "here"})
    sheet = look_at(tmp_path / "m.safetensors", 5)
    rows = {row["tensor"]: row for row in grid(sheet, "tensors")}
    assert sheet.figures["values"] == 7
    assert sheet.figures["made"] == "here"
    assert (rows["w"]["shape"], rows["w"]["mean"], rows["w"]["deviation"], rows["w"]["most"]) == (
        "2×3",
        "2.5",
        "1.708",
        "5",
    )
    assert rows["n"]["mean"] == ""


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.parquet", b"PAR1 no PAR1", BadData),
        ("a.json", b"{", BadData),
        ("a.json", b"[" * 100_000, BadData),
        ("a.safetensors", b"", BadData),
        ("a.safetensors", struct.pack("<Q", 2**63), BadData),
        ("a.safetensors", struct.pack("<Q", 4) + b"[1]]", BadData),
        ("a.safetensors", struct.pack("<Q", 9) + b'{"a": [1]}', BadData),
        ("a.pt", b"\x80\x04.", IntegrityError),
        ("a.pkl", b"\x80\x04.", IntegrityError),
    ],
)
def test_hostile_files_are_a_line(tmp_path: Path, name: str, content: bytes, error: type[Exception]) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error) as caught:
        look_at(tmp_path / name, 3)
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=200))
def test_any_header_of_tensors_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.safetensors"
    path.write_bytes(struct.pack("<Q", len(content)) + content + b"rest")
    try:
        look_at(path, 3)
    except BadData as error:
        assert "safetensors" in str(error)


@given(
    st.binary(max_size=60), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff", b"P5 ", b"P6\n#"])
)
def test_image_forms_never_fail(content: bytes, magic: bytes) -> None:
    form = image_form(magic + content)
    assert form is None or form.endswith("bytes")


@pytest.mark.parametrize("kind", ["PNG", "GIF", "PPM"])
def test_the_extent_of_an_image_is_in_its_head(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.img"
    Image.new("RGB", (7, 5)).save(path, format=kind)
    assert "7×5" in look_at(path, 3).figures["image"]


def test_texts_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"x,y\n1,\x1b[31mred\n\xff,2\n")
    sheet = look_at(tmp_path / "a.csv", 10)
    assert sheet.figures["lines"] == 3
    assert grid(sheet, "lines")[1]["text"] == "1,·[31mred", "a terminal must not obey what a file says"
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.png").write_bytes(b"1234")
    kinds = grid(peek(str(tmp_path), Store(tmp_path / "s"), 3), "kinds of files")
    assert {row["suffix"]: row["bytes"] for row in kinds} == {".csv": 19, ".png": 4}


def test_samples_are_one_line_without_control_characters() -> None:
    assert cut("a\nb\tc\x00d‮e") == "a⏎b·c·d·e"
    assert len(cut("x" * 1000)) == 60
    assert cell(b"abc\xe9,de") == "abc\\xe9,de", "what was rejected is mostly text"
    assert cell(bytes(range(128, 168))) == "40 bytes"
    assert cell(b"") == "0 bytes"
    assert cell(float("inf")) == "inf"
