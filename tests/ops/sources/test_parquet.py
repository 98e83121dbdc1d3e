"""Parquet: lossless conversions, rejects by row, damaged files."""

from __future__ import annotations

import datetime as dt
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ops.errors import BadData, SatietyError
from ops.sources.parquet import Parquet
from tests.ops.sources.reading import read_file, whole


def parquet(table: pl.DataFrame, **settings: Any) -> bytes:
    stream = BytesIO()
    table.write_parquet(stream, **settings)
    return stream.getvalue()


def test_rows_come_back(tmp_path: Path) -> None:
    table = pl.DataFrame({"s": ["x", None, "漢"], "i": [1, 2, None], "f": [0.5, -0.0, None], "b": [True, None, False]})
    source = Parquet(path="f", columns={"i": "int64", "s": "string", "f": "float64", "b": "bool"})
    batch = read_file(source, tmp_path, parquet(table))
    assert batch.rejects.is_empty()
    assert batch.table.select("s", "i", "f", "b").equals(table)
    assert batch.table["line"].to_list() == [1, 2, 3]


def test_batches_and_row_groups_number_rows_through(tmp_path: Path) -> None:
    table = pl.DataFrame({"i": range(150_000)})
    (tmp_path / "f").write_bytes(parquet(table, row_group_size=40_000))
    batches = list(Parquet(path="f", columns={"i": "int64"}).resolve(tmp_path).read())
    assert max(batch.table.height for batch in batches) <= 65_536
    joined = whole(batches).table
    assert joined["i"].to_list() == list(range(150_000))
    assert joined["line"].to_list() == list(range(1, 150_001))


@pytest.mark.parametrize(
    ("values", "kind", "kept", "reasons"),
    [
        (pl.Series([1, 2], dtype=pl.Int8), "int64", [1, 2], []),
        (pl.Series([1, 2**63], dtype=pl.UInt64), "int64", [1], ["not_int64"]),
        (pl.Series([1.0, 1.5, None, 2.0**60]), "int64", [1, None], ["not_int64", "not_int64"]),
        (pl.Series([2**53, 2**53 + 1]), "float64", [2.0**53], ["not_float64"]),
        (pl.Series([1.5, float("nan"), float("inf")]), "float64", [1.5], ["not_finite", "not_finite"]),
        (pl.Series([0.5], dtype=pl.Float32), "float64", [0.5], []),
        (pl.Series(["1", "x"]), "int64", [1], ["not_int64"]),
        (pl.Series(["a", "b", "a"], dtype=pl.Categorical), "string", ["a", "b", "a"], []),
        (pl.Series([b"ok", b"\xff"]), "string", ["ok"], ["bad_utf8"]),
        (pl.Series([None, None]), "date", [None, None], []),
        (
            pl.Series([dt.datetime(2020, 1, 1), dt.datetime(1, 1, 1)], dtype=pl.Datetime("ms")),
            "datetime",
            [dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(1, 1, 1, tzinfo=dt.UTC)],
            [],
        ),
        (
            pl.Series([1_000, 1_001]).cast(pl.Datetime("ns")),
            "datetime",
            [dt.datetime(1970, 1, 1, 0, 0, 0, 1, dt.UTC)],
            ["not_datetime"],
        ),
    ],
)
def test_conversions_lose_nothing(
    values: pl.Series, kind: Any, kept: list[Any], reasons: list[str], tmp_path: Path
) -> None:
    source = Parquet(path="f", columns={"v": kind})
    batch = read_file(source, tmp_path, parquet(pl.DataFrame({"v": values})))
    assert batch.table["v"].to_list() == kept
    assert batch.table["v"].dtype == source.columns["v"]
    assert batch.rejects["reason"].to_list() == reasons


def test_time_zones_become_utc(tmp_path: Path) -> None:
    times = pl.Series([dt.datetime(2020, 6, 1, 12)]).dt.replace_time_zone("Europe/Berlin")
    batch = read_file(Parquet(path="f", columns={"t": "datetime"}), tmp_path, parquet(pl.DataFrame({"t": times})))
    assert batch.table["t"].to_list() == [dt.datetime(2020, 6, 1, 10, tzinfo=dt.UTC)]


def test_unrelated_types_are_a_table_of_three_columns(tmp_path: Path) -> None:
    source = Parquet(path="f", columns={"a": "string", "b": "bool"})
    with pytest.raises(BadData) as caught:
        read_file(source, tmp_path, parquet(pl.DataFrame({"a": [1], "b": [True]})))
    assert caught.value.message.splitlines()[1].split() == ["expected", "got", "hint"]
    assert "a: string" in str(caught.value)
    assert "a: Int64" in str(caught.value)


def test_missing_column_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"rename: \{text: texts\}"):
        read_file(Parquet(path="f", columns={"text": "string"}), tmp_path, parquet(pl.DataFrame({"texts": ["a"]})))


def test_too_long_cells_are_rejected(tmp_path: Path) -> None:
    table = pl.DataFrame({"s": ["short", "x" * 100]})
    batch = read_file(Parquet(path="f", columns={"s": "string"}, max_record_bytes=50), tmp_path, parquet(table))
    assert batch.table["s"].to_list() == ["short"]
    assert batch.rejects.select("line", "reason").rows() == [(2, "too_large")]


@pytest.mark.parametrize("data", [b"", b"PAR1", b"a,b\n1,2\n", b"PAR1" + b"\xff" * 100 + b"PAR1"])
def test_what_is_no_parquet(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(BadData, match="f: "):
        read_file(Parquet(path="f", columns={"a": "int64"}), tmp_path, data)


def test_an_empty_table_has_its_schema(tmp_path: Path) -> None:
    batch = read_file(
        Parquet(path="f", columns={"a": "int64"}), tmp_path, parquet(pl.DataFrame(schema={"a": pl.Int32}))
    )
    assert batch.table.schema["a"] == pl.Int64
    assert batch.table.is_empty()


@pytest.mark.parametrize(("compression", "step"), [("uncompressed", 1), ("zstd", 3)])
def test_no_flipped_byte_raises_anything_else(compression: Any, step: int, tmp_path: Path) -> None:
    table = pl.DataFrame({"s": ["one", "two", None], "i": [1, 2, 3]})
    content = parquet(table, compression=compression)
    source = Parquet(path="f", columns={"s": "string", "i": "int64"})
    refused = 0
    for position in range(0, len(content), step):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        try:
            batch = read_file(source, tmp_path, bytes(damaged))
        except SatietyError:
            refused += 1
        else:
            assert batch.table.columns == ["s", "i", "file", "line"]
    assert refused > len(content) // step // 3
