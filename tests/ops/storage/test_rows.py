"""Tables that are written while their rows come."""

from __future__ import annotations

import errno
import gc
from itertools import pairwise
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ops.errors import DiskFull
from ops.storage import Output, Store, Version, files, rows

SCHEMA: dict[str, pl.DataType] = {"file": pl.String(), "line": pl.Int64(), "excerpt": pl.Binary()}


def table(height: int) -> pl.DataFrame:
    numbers = [n if n % 7 else None for n in range(height)]
    files, excerpts = [f"f{n % 3}" for n in range(height)], [b"x" * (n % 5) for n in range(height)]
    return pl.DataFrame({"file": files, "line": numbers, "excerpt": excerpts}, schema=SCHEMA)


def commit(root: Path, pieces: list[pl.DataFrame]) -> Version:
    def write(output: Output) -> None:
        with output.rows("rejects.parquet", SCHEMA) as writer:
            for piece in pieces:
                writer.write(piece)

    return Store(root).slot("demo", "raw_corpus").commit("f0", {}, write)[0]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 60), st.lists(st.integers(0, 60), max_size=6))
def test_rows_come_back_with_equal_bytes_however_they_come(
    tmp_path_factory: pytest.TempPathFactory, height: int, cuts: list[int]
) -> None:
    whole = table(height)
    edges = [0, *sorted(min(cut, height) for cut in cuts), height]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "GROUP_ROWS", 16)
        root = tmp_path_factory.mktemp("store")
        one, other = commit(root / "1", [whole]), commit(root / "2", [whole[a:b] for a, b in pairwise(edges)])
    assert_frame_equal(one.parquet("rejects.parquet"), whole)
    assert one.digest == other.digest
    entry = one.manifest.entry("rejects.parquet")
    assert entry is not None and entry.rows == height
    assert entry.schema == {"file": "String", "line": "Int64", "excerpt": "Binary"}
    assert pq.ParquetFile(one.path / "rejects.parquet").num_row_groups == -(-height // 16)


def test_a_full_disk_stays_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: files.AtomicFile, view: memoryview) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.AtomicFile, "_write_all", full)
    with pytest.raises(DiskFull):
        commit(tmp_path, [table(10)])


def test_a_table_that_is_given_up_writes_nothing_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    original = files.AtomicFile._write_all

    def seen(self: files.AtomicFile, view: memoryview) -> None:
        written.append(self.path.name)
        original(self, view)

    monkeypatch.setattr(files.AtomicFile, "_write_all", seen)

    def write(output: Output) -> None:
        with output.rows("rejects.parquet", SCHEMA) as writer:
            writer.write(table(10))
            written.clear()
            raise KeyError("the source cannot be read")

    with pytest.raises(KeyError):
        Store(tmp_path).slot("demo", "raw_corpus").commit("f0", {}, write)
    gc.collect()
    assert written == []
