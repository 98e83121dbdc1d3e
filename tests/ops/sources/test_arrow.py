"""Arrow IPC files and streams: the same rules as Parquet, and damage that raises nothing but our error."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from ops.errors import BadData
from ops.sources import arrow
from ops.sources.arrow import Arrow
from tests.ops.sources.packing import PACK, tar
from tests.ops.sources.reading import read_file, whole

COLUMNS: Any = {"n": "int64", "t": "string"}
TABLE = pa.table({"n": pa.array([1, 2, None], pa.int16()), "t": pa.array(["a", "é", ""]).dictionary_encode()})


def ipc(table: pa.Table, kind: str = "file", compression: str | None = None) -> bytes:
    stream = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    opened = pa.ipc.new_file if kind == "file" else pa.ipc.new_stream
    with opened(stream, table.schema, options=options) as writer:
        writer.write_table(table)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["file", "stream"])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("pack", [bytes, PACK["zst"], lambda data: tar({"x": data})])
def test_files_and_streams(kind: str, compression: str | None, pack: Any, tmp_path: Path) -> None:
    batch = read_file(Arrow(path="f", columns=COLUMNS), tmp_path, pack(ipc(TABLE, kind, compression)))
    assert batch.table.select("n", "t", "line").rows() == [(1, "a", 1), (2, "é", 2), (None, "", 3)]
    assert batch.table.schema["n"] == pl.Int64


def test_rows_that_do_not_fit_are_rejects(tmp_path: Path) -> None:
    table = pa.table({"n": [1.0, 1.5, float("nan")], "t": [b"x", b"y", b"z"]})
    batch = read_file(Arrow(path="f", columns=COLUMNS), tmp_path, ipc(table))
    assert batch.table["n"].to_list() == [1]
    assert batch.rejects.select("line", "reason").rows() == [(2, "not_int64"), (3, "not_int64")]


def test_batches_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "BATCH_ROWS", 10)
    (tmp_path / "f").write_bytes(ipc(pa.table({"n": list(range(95)), "t": ["x"] * 95})))
    batches = list(Arrow(path="f", columns=COLUMNS).resolve(tmp_path).read())
    assert [batch.table.height for batch in batches if batch.table.height] == [10] * 9 + [5]
    assert whole(batches).table["n"].to_list() == list(range(95))


def test_an_empty_file_has_its_columns(tmp_path: Path) -> None:
    assert read_file(Arrow(path="f", columns=COLUMNS), tmp_path, ipc(TABLE.slice(0, 0))).table.is_empty()
    with pytest.raises(BadData, match="its columns are not the declared ones"):
        read_file(Arrow(path="f", columns={"n": "int64"}), tmp_path, ipc(TABLE))


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_no_cut_raises_anything_else(kind: str, tmp_path: Path) -> None:
    data = ipc(TABLE, kind)
    for size in range(0, len(data) - 12, 7):
        try:
            batch = read_file(Arrow(path="f", columns=COLUMNS), tmp_path, data[:size])
        except BadData as error:
            assert str(error).startswith("f: ")
        else:
            assert batch.table.height == 3
