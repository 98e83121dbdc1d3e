"""Encodings: declared, or found among the declared ones; what is in none is rejected at its byte of the file."""

from __future__ import annotations

import codecs
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.sources.csv import Csv
from ops.sources.encodings import detect
from ops.sources.text import Text
from tests.ops.sources.packing import PACK
from tests.ops.sources.reading import read_bytes, read_file, whole

NAMES = ["gb18030", "shift_jis", "cp1252", "utf-16", "utf-16-be", "utf-32", "big5", "latin-1", "utf-8-sig"]


@pytest.mark.parametrize(
    ("data", "names", "found"),
    [
        (b"plain", ["gb18030"], "utf-8"),
        ("é".encode(), ["latin-1"], "utf-8"),
        ("中文".encode("gb18030"), ["gb18030", "latin-1"], "gb18030"),
        (b"caf\xe9 \xff\xff", ["gb18030", "latin-1"], "latin-1"),
        (codecs.BOM_UTF16_LE + "é".encode("utf-16-le"), ["latin-1"], "utf-16"),
        ("é".encode("utf-32"), ["latin-1"], "utf-32"),
        (codecs.BOM_UTF8 + b"x", ["latin-1"], "utf-8"),
        ("中文\n".encode("gb18030") * 50 + b"\xff\xff", ["ascii", "gb18030"], "gb18030"),
        (b"", ["latin-1"], "utf-8"),
    ],
)
def test_detection(data: bytes, names: list[str], found: str) -> None:
    assert detect(io.BytesIO(data), names) == found


@pytest.mark.parametrize("name", NAMES)
@given(
    lines=st.lists(st.sampled_from(["ascii", "", "x,y"]), max_size=8), bad=st.integers(0, 7), block=st.integers(8, 60)
)
def test_rejects_say_the_byte_of_the_file(name: str, lines: list[str], bad: int, block: int) -> None:
    extra = {"gb18030": "中文", "shift_jis": "日本", "cp1252": "é€", "big5": "中文", "latin-1": "é"}.get(name, "é中🙂")
    rows = [line + extra for line in lines]
    rows.insert(min(bad, len(rows)), "too long for it " * 5)
    text = "\n".join(rows)
    batch = read_bytes(Text(path="f", encoding=name, max_record_bytes=60), text.encode(name), block)
    place = rows.index("too long for it " * 5)
    before = "".join(f"{row}\n" for row in rows[:place])
    offset = len((before + "t").encode(name)) - len("t".encode(name)) + len("".encode(name))
    assert batch.rejects.select("line", "offset", "reason").rows() == [(place + 1, offset, "too_large")]
    assert batch.table["text"].to_list() == [row for i, row in enumerate(rows) if i != place]


def test_undecodable_lines_are_rejects_with_offset(tmp_path: Path) -> None:
    lines = ["标题,数", "中文,1", "坏", "好,2"]
    parts = [line.encode("gb18030") for line in lines]
    parts[2] = b"\xff\xfe,3"
    data = b"\n".join(parts)
    source = Csv.model_validate(
        {"kind": "csv", "path": "f", "columns": {"标题": "string", "数": "int64"}, "encoding": ["gb18030"]}
    )
    for name, content in {"f": data, "g": PACK["gz"](data)}.items():
        chosen = source.model_copy(update={"path": name})
        batch = read_file(chosen, tmp_path, content, name)
        assert batch.table.select("标题", "数").rows() == [("中文", 1), ("好", 2)]
        offset = len(parts[0]) + len(parts[1]) + 2
        assert batch.rejects.select("line", "offset", "reason").rows() == [(3, offset, "bad_utf8")]


def test_many_rejects_cost_no_more_than_few(tmp_path: Path) -> None:
    data = b"x\xff\xff\n" * 20_000
    batch = whole([read_file(Text(path="f", encoding=["gb18030"]), tmp_path, data)])
    assert batch.rejects.height == 20_000
    assert batch.rejects["offset"].to_list() == list(range(0, 80_000, 4))


@pytest.mark.parametrize("name", [[], "", "rot13", ["utf-8", "no such thing"], "base64"])
def test_what_is_no_encoding(name: object) -> None:
    with pytest.raises(ValueError, match="encoding"):
        Text.model_validate({"kind": "text", "path": "f", "encoding": name})
