"""CSV sources as a recipe uses them: headers, types, nulls, encodings, and the messages for files that do not fit."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ops.errors import BadData, ConfigError, SatietyError
from ops.sources.csv import Csv
from ops.sources.rejects import REJECTS_SCHEMA
from ops.sources.tsv import Tsv
from tests.ops.sources.grammar import reference
from tests.ops.sources.reading import read_bytes, whole

KINDS = ["string", "int64", "float64", "bool", "date", "datetime"]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "date": st.dates(),
    "datetime": st.datetimes(timezones=st.just(dt.UTC)),
}


@given(st.data())
def test_typed_tables_come_back_exactly(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    columns: dict[str, Any] = {f"c{i}": kind for i, kind in enumerate(kinds)}
    rows = data.draw(st.lists(st.tuples(*[st.none() | VALUES[kind] for kind in kinds]), max_size=8))
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if v is None else v.isoformat() if isinstance(v, dt.date) else str(v) for v in row])
    batch = read_bytes(Csv(path="f", columns=columns), stream.getvalue().encode())
    assert batch.rejects.is_empty()
    table = batch.table.drop("file", "line")
    assert table.schema == pl.Schema(Csv(path="f", columns=columns).columns)
    assert table.rows() == rows


@given(st.data())
def test_damage_loses_no_record_and_raises_nothing_unexpected(data: st.DataObject) -> None:
    rows = "".join(f'{i},"text {i}",{i / 7},2020-01-{i % 28 + 1:02d}\n' for i in range(20))
    content = bytearray(b"a,b,c,d\n" + rows.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    source = Csv(path="f", columns={"a": "int64", "b": "string", "c": "float64", "d": "date"})
    try:
        batch = read_bytes(source, bytes(content))
    except SatietyError:
        return
    lines = sorted(batch.table["line"].to_list() + batch.rejects["line"].to_list())
    assert lines == [record[1] for record in reference(bytes(content), 4, ord('"'))][1:]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (
            "int64",
            ["0", "-5", "+7", "9007199254740993", str(2**63 - 1)],
            ["1.0", " 1", "1e3", str(2**63), "٣", "0x1", "1_0"],
        ),
        ("float64", ["1", "-0.0", ".5", "1e-300", "1e5"], ["1,5", "abc", "1_0", " 1", "0x1p3"]),
        ("bool", ["true", "False", "1", "0", "TRUE"], ["yes", "2", "t", " true"]),
        ("date", ["2020-02-29", "0001-01-01", "9999-12-31"], ["2021-02-29", "2020-1-1", "01/02/2020", "0000-01-01"]),
        (
            "datetime",
            ["2020-01-01T10:20:30Z", "2020-01-01 10:20", "2020-01-01 10:20:30.123456+02:00"],
            ["2020-01-01", "2020-01-01 24:00", "2020-01-01 10:20:60", "1577836800", "2020-01-01 10:20:30.1234567"],
        ),
    ],
)
def test_types_are_strict(kind: Any, good: list[str], bad: list[str]) -> None:
    source = Csv(path="f", columns={"v": kind})
    batch = read_bytes(source, ("v\n" + "\n".join(f'"{cell}"' for cell in good + bad)).encode())
    assert batch.table.height == len(good)
    assert batch.table["v"].null_count() == 0
    assert batch.rejects["reason"].to_list() == [f"not_{kind}"] * len(bad)
    assert batch.rejects["line"].to_list() == list(range(len(good) + 2, len(good) + len(bad) + 2))
    for detail, cell in zip(batch.rejects["detail"], bad, strict=True):
        assert cell in detail


def test_integers_never_pass_through_floats() -> None:
    batch = read_bytes(Csv(path="f", columns={"v": "int64"}), b"v\n9007199254740993\n")
    assert batch.table["v"].to_list() == [2**53 + 1]


def test_times_become_utc() -> None:
    batch = read_bytes(Csv(path="f", columns={"t": "datetime"}), b"t\n2020-06-01T12:00:00+02:00\n2020-06-01 12:00\n")
    assert batch.table["t"].to_list() == [dt.datetime(2020, 6, 1, hour, tzinfo=dt.UTC) for hour in (10, 12)]


def test_declared_formats() -> None:
    source = Csv(path="f", columns={"d": "date"}, formats={"d": "%d/%m/%Y"})
    batch = read_bytes(source, b"d\n05/03/2020\n2020-03-05\n31/02/2020\n")
    assert batch.table["d"].to_list() == [dt.date(2020, 3, 5)]
    assert batch.rejects["line"].to_list() == [3, 4]


def test_a_year_has_four_digits() -> None:
    formats = {"d": "%d/%m/%Y", "t": "%Y-%m-%d %H:%M"}
    source = Csv(path="f", columns={"d": "date", "t": "datetime"}, formats=formats)
    good = ["05/03/2020,2020-03-05 10:00", "05/03/0020,0020-03-05 10:00", '"",0999-03-05 20:00']
    bad = ["05/03/20,2020-03-05 10:00", "05/03/2020,20-03-05 10:00", "05/03/999,2020-03-05 10:00"]
    batch = read_bytes(source, "\n".join(["d,t", *good, *bad]).encode())
    assert batch.table["d"].to_list() == [dt.date(2020, 3, 5), dt.date(20, 3, 5), None]
    assert batch.rejects["reason"].to_list() == ["not_date", "not_datetime", "not_date"]


@pytest.mark.parametrize(("policy", "rows"), [("reject", 1), ("keep", 4)])
def test_nan_and_infinity_by_policy(policy: Any, rows: int) -> None:
    source = Csv(path="f", columns={"v": "float64"}, non_finite=policy)
    batch = read_bytes(source, b"v\n1.5\nNaN\n-inf\n1e400\n")
    assert batch.table.height == rows
    assert batch.rejects["reason"].to_list() == ["not_finite"] * (4 - rows)
    if policy == "keep":
        assert math.isnan(batch.table["v"][1])


def test_nulls() -> None:
    data = b'a,b\n,1\nNA,2\n"",3\nx,NA\n'
    default = read_bytes(Csv(path="f", columns={"a": "string", "b": "int64"}), data)
    assert default.table["a"].to_list() == [None, "NA", None]
    named = read_bytes(Csv(path="f", columns={"a": "string", "b": "int64"}, null_values=["NA"]), data)
    assert named.table.select("a", "b").rows() == [("", 1), (None, 2), ("", 3), ("x", None)]


def test_columns_are_found_by_name() -> None:
    source = Csv(path="f", columns={"text": "string", "n": "int64"}, rename={"text": "Body"}, extra_columns="drop")
    batch = read_bytes(source, b"junk,n,Body\nx,1,hello\ny,2,there\n")
    assert batch.table.rows() == [("hello", 1, "f", 2), ("there", 2, "f", 3)]


def test_blank_lines_are_no_records_and_short_ones_are_rejected() -> None:
    batch = read_bytes(Csv(path="f", columns={"a": "string", "b": "string"}), b"a,b\n\n1,2\r\n\r\n3\n4,5,6\n")
    assert batch.table["line"].to_list() == [3]
    assert batch.rejects.select("line", "reason", "detail").rows() == [
        (5, "wrong_column_count", "1 fields, 2 expected"),
        (6, "wrong_column_count", "3 fields, 2 expected"),
    ]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (b"Text,label\n", ["text", "Text", "renamed?", "rename: {text: Text}"]),
        (b"label\n", ["text", "missing in the file"]),
        (b"text,label,n\n", ["n", "extra_columns: drop"]),
        (b"text,label,label\n", ["label x2", "once"]),
        (b"text;label\n", ["2 columns", "1 column", "separator: ';'"]),
        (b"", ["empty", "header: false"]),
        (b'"text,label\n', ["header is broken"]),
    ],
)
def test_headers_that_do_not_fit(header: bytes, words: list[str]) -> None:
    with pytest.raises(BadData) as caught:
        read_bytes(Csv(path="f", columns={"text": "string", "label": "string"}), header + (b"a,b\n" if header else b""))
    for word in words:
        assert word in str(caught.value)
    if "renamed?" in words:
        assert [line.split()[:3] for line in caught.value.message.splitlines()[1:]] == [
            ["expected", "got", "hint"],
            ["text", "Text", "renamed?"],
        ]


def test_a_header_alone_is_an_empty_table() -> None:
    source = Csv(path="f", columns={"a": "int64", "b": "date"})
    batch = read_bytes(source, b"a,b\n")
    assert batch.table.schema == pl.Schema({**source.columns, "file": pl.String(), "line": pl.Int64()})
    assert batch.table.is_empty()
    assert batch.rejects.schema == pl.Schema(REJECTS_SCHEMA)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030", "big5", "utf-8-sig"])
@pytest.mark.parametrize("block", [3, 4096])
def test_declared_encodings(encoding: str, block: int) -> None:
    text = 'a,b\n漢字,"一\n二"\n'
    batch = read_bytes(
        Csv(path="f", columns={"a": "string", "b": "string"}, encoding=encoding), text.encode(encoding), block
    )
    assert batch.table.rows() == [("漢字", "一\n二", "f", 2)]


def test_bytes_that_are_not_in_the_encoding_cost_their_record() -> None:
    source = Csv(path="f", columns={"a": "string", "b": "string"})
    batch = read_bytes(source, b"a,b\n1,caf\xe9\n2,caf\xc3\xa9\n")
    assert batch.table["b"].to_list() == ["café"]
    assert batch.rejects.select("line", "offset", "reason", "excerpt").rows() == [(2, 4, "bad_utf8", b"1,caf\xe9")]
    other = read_bytes(
        Csv(path="f", columns={"a": "string", "b": "string"}, encoding="shift_jis"), b"a,b\n1,\xa0\xff\n2,x\n"
    )
    assert other.table["b"].to_list() == ["x"]
    assert other.rejects.select("line", "offset", "reason").rows() == [(2, 4, "bad_utf8")]


def test_utf32_is_not_called_utf16() -> None:
    with pytest.raises(BadData, match=r"is UTF-32, .*encoding: utf-32"):
        read_bytes(Csv(path="f", columns={"a": "string"}), "a\nb\n".encode("utf-32"))


def test_utf16_that_was_not_declared_is_named() -> None:
    with pytest.raises(BadData, match="encoding: utf-16"):
        read_bytes(Csv(path="f", columns={"a": "string"}), "a\nb\n".encode("utf-16"))


def test_a_byte_order_mark_is_no_part_of_the_first_name() -> None:
    assert read_bytes(Csv(path="f", columns={"a": "string"}), b"\xef\xbb\xbfa\nx\n").table["a"].to_list() == ["x"]


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"columns": {}}, "at least 1"),
        ({"columns": {"id": "string"}}, r"reserved .* `columns: {row: string}` and `rename: {row: id}`"),
        ({"columns": {"a": "int"}}, "int64"),
        ({"columns": {"a": "string"}, "separator": "::"}, "one ASCII character"),
        ({"columns": {"a": "string"}, "quote": ","}, "same sign"),
        ({"columns": {"a": "string"}, "encoding": "utf-7000"}, "no text encoding"),
        ({"columns": {"a": "string"}, "encoding": "rot13"}, "no text encoding"),
        ({"columns": {"a": "string"}, "rename": {"b": "x"}}, "not one of the columns"),
        ({"columns": {"a": "string"}, "formats": {"a": "%d"}}, "only date and datetime"),
        ({"columns": {"a": "date"}, "unknown": 1}, "Extra inputs"),
        ({"columns": {"a": "string"}, "path": []}, "must not be empty"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        Csv.model_validate({"kind": "csv", "path": "f", **settings})


def test_settings_survive_a_round_trip() -> None:
    source = Tsv(path=["a", "b"], columns={"x": "int64"})
    assert "columns" in source.model_dump()
    assert Tsv.model_validate(source.model_dump()) == source


def test_banking77(mirror: Path) -> None:
    source = Csv(path="banking77/*.csv", columns={"text": "string", "category": "string"}).resolve(mirror)
    assert source.natural_partitions() == ["banking77/test.csv", "banking77/train.csv"]
    for key, rows in (("banking77/train.csv", 10_003), ("banking77/test.csv", 3_080)):
        batch = whole(source.read(key))
        assert batch.rejects.is_empty()
        with (mirror / key).open(newline="") as stream:
            expected = [tuple(row) for row in csv.reader(stream)][1:]
        assert len(expected) == rows
        assert batch.table.select("text", "category").rows() == expected


def test_tatoeba(mirror: Path) -> None:
    source = Tsv(path="tatoeba_en_zh/cmn.txt", columns={"en": "string", "zh": "string"}, header=False).resolve(mirror)
    batch = whole(source.read())
    assert batch.rejects.is_empty()
    lines = (mirror / "tatoeba_en_zh/cmn.txt").read_text(encoding="utf-8").split("\n")
    assert batch.table.select("en", "zh").rows() == [tuple(line.split("\t")) for line in lines if line]


def test_beijing_pm25(mirror: Path) -> None:
    columns = {"pm25": "int64", "year": "int64", "TEMP": "float64", "cbwd": "string"}
    settings: dict[str, Any] = {"path": "beijing_pm25/*.csv", "columns": columns, "rename": {"pm25": "pm2.5"}}
    with pytest.raises(BadData, match="extra_columns: drop"):
        whole(Csv(**settings).resolve(mirror).read())
    batch = whole(Csv(**settings, extra_columns="drop").resolve(mirror).read())
    assert (batch.table.height, batch.table["pm25"].null_count()) == (43_824, 2_067)
    strict = whole(Csv(**settings, extra_columns="drop", null_values=["NA"]).resolve(mirror).read())
    assert (strict.table.height, strict.rejects.height) == (43_824 - 2_067, 2_067)


def test_missing_file_is_named_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a\n1\n")
    with pytest.raises(ConfigError, match=r"'trian\.csv', did you mean 'train\.csv'\?"):
        Csv(path="trian.csv", columns={"a": "int64"}).resolve(tmp_path).check()


PARTS: dict[str, Any] = {"y": "int64", "m": "int64", "d": "int64", "h": "int64", "v": "float64"}


def test_moments_are_made_of_whole_numbers_and_copies_of_columns() -> None:
    source = Csv(path="f", columns=PARTS, moments={"time": ["y", "m", "d", "h"]}, copies={"seen": "v"})
    rows = ["2012,2,29,23,1.5", "2011,2,29,0,2", "2010,1,1,,3", "2010,12,31,24,4", "2010,1,1,7,", "10,1,2,3,0"]
    batch = read_bytes(source, "\n".join(["y,m,d,h,v", *rows]).encode())
    assert batch.table.columns == ["y", "m", "d", "h", "v", "time", "seen", "file", "line"]
    assert {name: batch.table.schema[name] for name in source.columns} == source.columns
    expected = [(2012, 2, 29, 23), None, None, None, (2010, 1, 1, 7), (10, 1, 2, 3)]
    assert batch.table["time"].to_list() == [e and dt.datetime(*e, tzinfo=dt.UTC) for e in expected]
    assert batch.table["seen"].to_list() == batch.table["v"].to_list() == [1.5, 2.0, 3.0, 4.0, None, 0.0]


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"moments": {"time": ["y", "m", "x"]}}, "'time' is made of 'x', no column"),
        ({"moments": {"time": ["y", "m", "v"]}}, "'time' is made of 'v', which is float64, not int64"),
        ({"moments": {"v": ["y", "m", "d"]}}, "there are two columns 'v'"),
        ({"moments": {"file": ["y", "m", "d"]}}, "'file' is a reserved name"),
        ({"copies": {"w": "vv"}}, "'w' is made of 'vv', no column"),
        ({"moments": {"time": ["y", "m"]}}, "at least 3 items"),
    ],
)
def test_columns_that_cannot_be_made(keys: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Csv(path="f", columns=PARTS, **keys)
