"""NDJSON against Python's json module, and the fast path against the careful one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.errors import BadData
from ops.sources.base import Batch
from ops.sources.ndjson import Ndjson
from tests.ops.sources.reading import read_bytes, read_file

COLUMNS: Any = {"s": "string", "i": "int64", "f": "float64", "b": "bool"}
ROW = st.fixed_dictionaries(
    {
        "s": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
        "i": st.none() | st.integers(-(2**63), 2**63 - 1),
        "f": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "b": st.none() | st.booleans(),
    }
)
GOOD = '{"s": "x", "i": 1, "f": 1.5, "b": true}'


def source(**settings: Any) -> Ndjson:
    return Ndjson(path="f", columns=COLUMNS, **settings)


@given(st.lists(ROW, max_size=12), st.booleans(), st.sampled_from([8, 64, 4096]), st.sampled_from(["\n", "\r\n"]))
def test_what_pythons_json_writes_comes_back_exactly(
    rows: list[dict[str, Any]], ascii_only: bool, block: int, end: str
) -> None:
    text = end.join(json.dumps(row, ensure_ascii=ascii_only) for row in rows)
    batch = read_bytes(source(), text.encode(), block)
    assert batch.rejects.is_empty()
    assert batch.table.select("s", "i", "f", "b").to_dicts() == rows
    assert batch.table["line"].to_list() == list(range(1, len(rows) + 1))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"s": "x", "s": "y", "i": 1, "f": 1, "b": true}', "duplicate_key"),
        ('{"s": "x", "\\u0073": "y", "i": 1, "f": 1, "b": true}', "duplicate_key"),
        ('{"s": "x", "i": 1, "f": 1}', "missing_field"),
        ('{"s": "x", "i": 1, "f": 1, "b": true, "z": 0}', "unknown_field"),
        ('{"s": "x", "i": 1.0, "f": 1, "b": true}', "not_int64"),
        ('{"s": "x", "i": 1e2, "f": 1, "b": true}', "not_int64"),
        ('{"s": "x", "i": "1", "f": 1, "b": true}', "not_int64"),
        ('{"s": "x", "i": true, "f": 1, "b": true}', "not_int64"),
        ('{"s": "x", "i": 9223372036854775808, "f": 1, "b": true}', "not_int64"),
        ('{"s": "x", "i": ' + "9" * 5000 + ', "f": 1, "b": true}', "not_int64"),
        ('{"s": 5, "i": 1, "f": 1, "b": true}', "not_string"),
        ('{"s": ["x"], "i": 1, "f": 1, "b": true}', "not_string"),
        ('{"s": {"s": 1}, "i": 1, "f": 1, "b": true}', "not_string"),
        ('{"s": "x", "i": 1, "f": "1.5", "b": true}', "not_float64"),
        ('{"s": "x", "i": 1, "f": 1, "b": 1}', "not_bool"),
        ('{"s": "x", "i": 1, "f": NaN, "b": true}', "not_json"),
        ('{"s": "x", "i": 1, "f": -Infinity, "b": true}', "not_json"),
        ('{"s": "x", "i": 1, "f": 1e400, "b": true}', "not_finite"),
        ('{"s": "\\ud800", "i": 1, "f": 1, "b": true}', "lone_surrogate"),
        ('{"s": "a\tb", "i": 1, "f": 1, "b": true}', "not_json"),
        ('{"s": "a\0b", "i": 1, "f": 1, "b": true}', "not_json"),
        (GOOD + GOOD, "not_json"),
        (GOOD + ",", "not_json"),
        ("[1]", "not_object"),
        ("null", "not_object"),
        ("{", "not_json"),
        ("[" * 100_000, "not_json"),
        ('{"s": ' + "[" * 100_000, "not_json"),
        ('{"s": ' + "[" * 100_000 + "]" * 100_000 + "}", "not_json"),
    ],
)
def test_what_is_rejected(line: str, reason: str) -> None:
    batch = read_bytes(source(), f"{GOOD}\n{line}\n{GOOD}\n".encode(), 1 << 20)
    assert batch.table["line"].to_list() == [1, 3]
    assert batch.rejects.select("line", "offset", "reason").rows() == [(2, len(GOOD) + 1, reason)]
    assert batch.rejects["excerpt"][0] == line.encode()[:256]


def test_objects_over_lines_cannot_hide_in_the_count_of_rows() -> None:
    half, rest = '{"s": "x", "i": 1,', '"f": 1, "b": true}'
    batch = read_bytes(source(), f"{half}\n{rest}\n{GOOD}{GOOD}\n{GOOD}\n".encode())
    assert batch.table["line"].to_list() == [4]
    assert batch.rejects["line"].to_list() == [1, 2, 3]


def test_absent_is_not_null() -> None:
    lines = ['{"s": null, "i": 1, "f": 1, "b": true}', '{"i": 1, "f": 1, "b": true}', GOOD]
    batch = read_bytes(source(), "\n".join(lines).encode())
    assert batch.table.select("s", "line").rows() == [(None, 1), ("x", 3)]
    assert batch.rejects["reason"].to_list() == ["missing_field"]


def test_unknown_fields_are_dropped_on_demand() -> None:
    line = GOOD.replace("}", ', "z": {"deep": [1, 2]}}')
    assert read_bytes(source(extra_columns="drop"), f"{line}\n{line}\n".encode()).table.height == 2


def test_dates_bom_blank_lines_and_bad_utf8() -> None:
    dates = Ndjson(path="f", columns={"d": "date"}, rename={"d": "Day"})
    data = b'\xef\xbb\xbf{"Day": "2020-01-02"}\n\n{"Day": "02.01.2020"}\n  \n{"Day": "\xff"}\n{"Day": null}\n'
    batch = read_bytes(dates, data)
    assert batch.table["line"].to_list() == [1, 6]
    assert batch.rejects.select("line", "reason").rows() == [(3, "not_date"), (5, "bad_utf8")]


def test_utf16_is_named() -> None:
    with pytest.raises(BadData, match="UTF-16"):
        read_bytes(source(), GOOD.encode("utf-16"))


PIECES = st.sampled_from(
    [
        GOOD,
        "\n",
        "\n",
        "\r\n",
        "{",
        "}",
        '"s"',
        ":",
        ",",
        "1",
        "1.5",
        "null",
        "true",
        '"x"',
        " ",
        "NaN",
        "\\",
        "é",
        "\0",
        "[]",
    ]
)


@settings(max_examples=120)
@given(st.lists(PIECES, max_size=30), st.sampled_from([5, 4096]), st.sampled_from(["error", "drop"]))
def test_fast_and_careful_agree(pieces: list[str], block: int, extra: Any) -> None:
    data = "".join(pieces).encode()
    one = read_bytes(source(extra_columns=extra), data, block)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ndjson, "_fast", lambda *arguments: None)
        two = read_bytes(source(extra_columns=extra), data, 4096)
    assert one.table.equals(two.table)
    assert one.rejects.equals(two.rejects)
    records = [line for line in data.split(b"\n") if line.strip(b" \r\t")]
    assert one.table.height + one.rejects.height == len(records)


def test_the_fast_path_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    careful = Ndjson._careful

    def counted(self: Ndjson, block: Any, lines: Any, name: str) -> Any:
        seen.append(len(lines))
        return careful(self, block, lines, name)

    monkeypatch.setattr(Ndjson, "_careful", counted)
    lines = [GOOD] * 5000
    lines[17] = "{broken}"
    batch: Batch = read_bytes(source(), "\n".join(lines).encode(), 1 << 20)
    assert (batch.table.height, batch.rejects["line"].to_list()) == (4999, [18])
    assert sum(seen) <= 256


def test_a_giant_line() -> None:
    data = (GOOD + "\n").encode() + b'{"s": "' + b"x" * 50_000 + b'"}\n' + GOOD.encode()
    batch = read_bytes(source(max_record_bytes=1000), data, 256)
    assert batch.table["line"].to_list() == [1, 3]
    assert batch.rejects.select("line", "reason").rows() == [(2, "too_large")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_another_encoding_is_not_told_to_be_declared(encoding: str, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=rf"is {encoding.upper()}, not UTF-8 \(convert it") as caught:
        read_file(Ndjson(path="f", columns={"a": "string"}), tmp_path, '{"a": "x"}\n'.encode(encoding))
    assert "encoding:" not in str(caught.value)
