from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ops.errors import IntegrityError, StorageError
from ops.storage import Output, Store, Version

TABLE = pl.DataFrame(
    {"id": ["p/0", "p/1", None], "image": [b"\x00\xff", b"", None], "label": [1, None, 3], "score": [0.5, -0.0, None]},
    schema={"id": pl.String, "image": pl.Binary, "label": pl.Int32, "score": pl.Float64},
)


def commit(root: Path, write: Callable[[Output], None], fingerprint: str = "f0") -> Version:
    version, built = Store(root).slot("demo", "raw_corpus").commit(fingerprint, {}, write)
    assert built
    return version


def test_what_is_written_comes_back_and_is_listed_with_its_hash(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"finished elsewhere")

    def write(output: Output) -> None:
        output.parquet("data.parquet", TABLE)
        output.json("statistics.json", {"b": [1, 2.5, None], "a": "é"})
        output.bytes("weights.bin", b"\x00\x01")
        output.text("history.jsonl", '{"loss": 1}\r\n')
        output.adopt("model.safetensors", outside)

    version = commit(tmp_path / "store", write)
    assert_frame_equal(version.parquet("data.parquet"), TABLE)
    assert_frame_equal(version.parquet("data.parquet", columns=["label", "id"]), TABLE.select("label", "id"))
    assert version.json("statistics.json") == {"b": [1, 2.5, None], "a": "é"}
    assert version.file("weights.bin").read_bytes() == b"\x00\x01"
    assert version.file("history.jsonl").read_bytes() == b'{"loss": 1}\r\n'
    assert version.file("model.safetensors").read_bytes() == b"finished elsewhere"
    assert [entry.name for entry in version.manifest.files] == sorted(entry.name for entry in version.manifest.files)
    for entry in version.manifest.files:
        content = (version.path / entry.name).read_bytes()
        assert (entry.bytes, entry.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    listed = version.manifest.entry("data.parquet")
    assert listed is not None
    assert listed.rows == 3
    assert listed.schema == {"id": "String", "image": "Binary", "label": "Int32", "score": "Float64"}


def test_a_table_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    version = commit(tmp_path, lambda output: output.parquet("rejects.parquet", TABLE.clear()))
    assert_frame_equal(version.parquet("rejects.parquet"), TABLE.clear())
    assert version.manifest.files[0].rows == 0


def test_arrow_files_come_back_and_are_equal_for_equal_tables(tmp_path: Path) -> None:
    table = TABLE.drop("image").with_columns(
        pl.lit("p").alias("id"),
        pl.Series("split", ["a", "b", "a"], pl.Enum(["a", "b"])),
        pl.Series("past", [[1.0, 2.0]] * 3, pl.Array(pl.Float32, 2)),
    )
    other = pl.concat([table[:1], table[1:2], table[2:]], rechunk=False).with_columns(
        pl.when(pl.col("label").is_not_null()).then(pl.Series([1, 77, 3], dtype=pl.Int32)).alias("label")
    )  # the same values, in other chunks and with another number under the null
    plain = commit(tmp_path, lambda output: output.arrow("index.arrow", table), "f1")
    again = commit(tmp_path, lambda output: output.arrow("index.arrow", other), "f2")
    packed = commit(tmp_path, lambda output: output.arrow("index.arrow", table, packed=True), "f3")
    for version in (plain, again, packed):
        assert_frame_equal(version.arrow("index.arrow"), table)
        assert_frame_equal(version.arrow("index.arrow", ["score", "id"]), table.select("score", "id"))
    assert plain.digest == again.digest != packed.digest
    assert commit(tmp_path, lambda output: output.arrow("a.arrow", table.clear()), "f4").arrow("a.arrow").height == 0
    with pytest.raises(StorageError, match="column 'id' of String has nulls"):
        commit(tmp_path, lambda output: output.arrow("index.arrow", TABLE), "f5")
    with pytest.raises(IntegrityError, match=r"not a readable table: .*nothing"):
        plain.arrow("index.arrow", ["nothing"])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 200_000), max_size=5), st.integers(0, 3))
def test_equal_tables_give_equal_bytes_whatever_their_chunks(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], seed: int
) -> None:
    values = np.random.default_rng(seed).integers(0, 1000, 150_000)
    whole = pl.DataFrame({"id": [f"p/{value}" for value in values], "value": values})
    edges = [0, *sorted(min(cut, whole.height) for cut in cuts), whole.height]
    pieces = [whole[start:end] for start, end in pairwise(edges)]
    chunked = pl.concat(pieces, rechunk=False)
    root = tmp_path_factory.mktemp("store")
    one = commit(root, lambda output: output.parquet("data.parquet", whole), "f1")
    other = commit(root, lambda output: output.parquet("data.parquet", chunked), "f2")
    assert one.digest == other.digest


def test_parquet_settings_are_the_promised_ones(tmp_path: Path) -> None:
    table = pl.DataFrame({"x": range(100_000)})
    version = commit(tmp_path, lambda output: output.parquet("data.parquet", table))
    metadata = pyarrow.parquet.read_metadata(version.file("data.parquet"))
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [65_536, 34_464]
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    assert metadata.row_group(0).column(0).statistics.max == 65_535


def test_arrays_grow_in_c_order_and_little_endian(tmp_path: Path) -> None:
    matrix = np.arange(6, dtype=">u2").reshape(2, 3).T  # neither C order nor little-endian

    def write(output: Output) -> None:
        with output.array("data.bin") as writer:
            writer.write(matrix)
            writer.write(np.empty(0, dtype=np.uint16))
            writer.write(np.array([7, 8], dtype=np.uint16))
            assert writer.elements == 8
        with output.array("empty.bin"):
            pass

    version = commit(tmp_path, write)
    assert version.file("data.bin").read_bytes() == np.array([0, 3, 1, 4, 2, 5, 7, 8], dtype="<u2").tobytes()
    read = version.array("data.bin", np.uint16, (-1, 2))
    assert isinstance(read, np.memmap) and not read.flags.writeable
    assert read.tolist() == [[0, 3], [1, 4], [2, 5], [7, 8]]
    assert version.array("empty.bin", np.uint8, (-1, 4)).shape == (0, 4)
    with pytest.raises(IntegrityError, match="elements are <u2, <i8 was asked for"):
        version.array("data.bin", np.int64)
    with pytest.raises(IntegrityError, match="no uint16 array of shape"):
        version.array("data.bin", np.uint16, (-1, 3))


def test_arrays_of_mixed_or_foreign_types_are_refused(tmp_path: Path) -> None:
    def mixed(output: Output) -> None:
        with output.array("data.bin") as writer:
            writer.write(np.zeros(2, dtype=np.uint16))
            writer.write(np.zeros(2, dtype=np.int64))

    def objects(output: Output) -> None:
        with output.array("data.bin") as writer:
            writer.write(np.array([{}, None]))

    with pytest.raises(StorageError, match="<i8 follows one of <u2"):
        commit(tmp_path, mixed)
    with pytest.raises(StorageError, match="object is not raw numbers"):
        commit(tmp_path, objects)


@pytest.mark.parametrize("name", ["manifest.json", "cost.json", "", ".", "..", "a/b", "/etc/x", ".hidden", "a\x00"])
def test_names_that_no_result_may_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError, match="cannot name a result file"):
        commit(tmp_path, lambda output: output.text(name, ""))
    assert not list(tmp_path.glob("demo/raw_corpus/all/*"))


def test_a_name_is_written_once(tmp_path: Path) -> None:
    def twice(output: Output) -> None:
        output.text("a.txt", "1")
        output.bytes("a.txt", b"2")

    def within(output: Output) -> None:
        with output.array("a.txt"):
            output.text("a.txt", "1")

    for write in (twice, within):
        with pytest.raises(StorageError, match="written twice"):
            commit(tmp_path, write)


def test_json_refuses_what_json_has_no_word_for(tmp_path: Path) -> None:
    for value in (float("nan"), {"x": float("inf")}, object(), {"a": 1, 2: 3}, "\ud800"):
        with pytest.raises(StorageError, match="cannot be written as"):
            commit(tmp_path, lambda output, value=value: output.json("a.json", value))  # type: ignore[misc]


def test_what_does_not_go_through_the_output_stops_the_commit(tmp_path: Path) -> None:
    def behind(output: Output) -> None:
        output.text("a.txt", "1")
        (output._folder / "b.txt").write_text("2")

    left = []

    def left_open(output: Output) -> None:
        left.append(output.array("data.bin"))
        left[0].__enter__()

    with pytest.raises(IntegrityError, match=r"not written through the output: b\.txt"):
        commit(tmp_path, behind)
    with pytest.raises(IntegrityError, match=r"still being written: data\.bin"):
        commit(tmp_path, left_open)


def test_adopting_what_is_not_there_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="read failed"):
        commit(tmp_path, lambda output: output.adopt("a.bin", tmp_path / "nowhere"))


def test_facts_are_in_the_manifest_and_cost_is_outside_of_it(tmp_path: Path) -> None:
    def write(output: Output) -> None:
        output.facts({"height": 28})
        output.facts({"width": 29})
        output.cost({"flops": 10, "versions": {"polars": "2"}})

    version = commit(tmp_path, write)
    assert version.manifest.facts == {"height": 28, "width": 29}
    cost = version.cost
    assert cost is not None
    assert cost["flops"] == 10 and cost["versions"] == {"polars": "2"}
    assert cost["wall_s"] > 0 and cost["cpu_s"] >= 0 and cost["peak_rss_bytes"] > 1_000_000
    assert cost["started"].endswith("+00:00")
    assert "cost" not in json.loads((version.path / "manifest.json").read_text())
    assert not (version.path.parent / "current/cost.json").exists()


def test_a_library_that_swallows_a_failed_write_does_not_get_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ops.storage import AtomicFile

    monkeypatch.setenv("SATIETY_FAULT", "eio-once@2")

    def write() -> None:
        with AtomicFile(tmp_path / "x") as file:
            with suppress(StorageError):
                file.write(b"a")
            file.write(b"b")

    with pytest.raises(StorageError, match="write failed"):
        write()
    assert list(tmp_path.iterdir()) == []
