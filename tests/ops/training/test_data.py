from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import BadData, IntegrityError
from ops.training.data import Examples, load_examples
from ops.training.index import training_ids, training_originals, whole_numbers
from ops.training.run import CacheInput
from tests.ops.training.runs import cache_entry, sha256, write_arrow, write_cache

ROWS: list[tuple[list[int], int | None, str, int]] = [
    ([1, 2, 3], 0, "train", 0),
    ([], 1, "train", 0),
    ([65_535], 1, "train", 2),
    ([7, 8], 0, "valid", 0),
    ([7, 9], 0, "valid", 1),
    ([5], 1, "test", 0),
]


def load(*entries: dict[str, Any], classes: int = 2) -> dict[str, Examples]:
    return load_examples([CacheInput.model_validate(entry) for entry in entries], "<u2", classes)


def test_examples_are_divided_by_split_in_order(tmp_path: Path) -> None:
    found = load(write_cache(tmp_path / "a", ROWS, "<u2"), write_cache(tmp_path / "b", ROWS[:1], "<u2"))
    train = found["train"]
    assert train.values(np.arange(4)).tolist() == [[1, 2, 3], [0, 0, 0], [65_535, 0, 0], [1, 2, 3]]
    assert train.label.tolist() == [0, 1, 1, 0]
    assert train.length.tolist() == [3, 0, 1, 3]
    assert train.values(np.array([2, 3, 2])).tolist() == [[65_535, 0, 0], [1, 2, 3], [65_535, 0, 0]]


@pytest.mark.parametrize("memory", [0, 10, 1 << 20])
def test_partitions_in_memory_and_mapped_ones_say_the_same(tmp_path: Path, memory: int) -> None:
    entries = [write_cache(tmp_path / name, rows, "<u4") for name, rows in (("a", ROWS[:1]), ("b", ROWS))]
    inputs = [CacheInput.model_validate(entry) for entry in entries]
    found = load_examples(inputs, "<u4", 2, memory)["train"]
    mapped = [isinstance(array.base, np.memmap) for array in found.arrays]
    # The first has 12 bytes, the second 36.
    assert mapped == {0: [True, True], 10: [True, True], 1 << 20: [False, False]}[memory]
    assert found.values(np.arange(4)).tolist() == [[1, 2, 3], [1, 2, 3], [0, 0, 0], [65_535, 0, 0]]
    assert [isinstance(a.base, np.memmap) for a in load_examples(inputs, "<u4", 2, 40)["train"].arrays] == [False, True]


@given(st.lists(st.lists(st.integers(1, 9), max_size=6), min_size=1, max_size=8), st.data())
def test_values_are_the_rows_one_by_one(rows: list[list[int]], data: st.DataObject) -> None:
    parts = [rows[: len(rows) // 2], rows[len(rows) // 2 :]]
    arrays = tuple(np.array([v for row in part for v in row] or [0], dtype=np.uint16) for part in parts)
    lengths = [np.array([len(row) for row in part], dtype=np.int64) for part in parts]
    source = np.repeat([0, 1], [len(part) for part in parts])
    offsets = np.concatenate([np.cumsum(part) - part for part in lengths])
    examples = Examples(arrays, source, offsets, np.concatenate(lengths), source)
    chosen = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1)))
    longest = max(1, *(len(rows[k]) for k in chosen))
    assert examples.values(chosen).tolist() == [rows[k] + [0] * (longest - len(rows[k])) for k in chosen]


def test_altered_copies_are_only_trained_on(tmp_path: Path) -> None:
    found = load(write_cache(tmp_path / "a", ROWS, "<u2"))
    assert found["valid"].values(np.arange(1)).tolist() == [[7, 8]]
    assert {split: len(examples) for split, examples in found.items()} == {"train": 3, "valid": 1, "test": 1}


def test_an_empty_partition_and_an_empty_text(tmp_path: Path) -> None:
    empty = write_cache(tmp_path / "empty", [], "<u2")
    found = load(empty, write_cache(tmp_path / "a", ROWS, "<u2"))
    assert found["train"].values(np.array([1])).tolist() == [[0]]
    with pytest.raises(BadData, match="no training examples"):
        load(empty)


@pytest.mark.parametrize("name", ["data.bin", "index.arrow"])
def test_changed_bytes_are_found_before_they_are_parsed(tmp_path: Path, name: str) -> None:
    entry = write_cache(tmp_path / "a", ROWS, "<u2")
    path = tmp_path / "a" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="not those of the manifest"):
        load(entry)
    path.unlink()
    with pytest.raises(IntegrityError, match="cannot be read: No such file"):
        load(entry)


def test_an_index_that_points_outside_is_refused(tmp_path: Path) -> None:
    write_cache(tmp_path / "a", ROWS, "<u2")
    data = tmp_path / "a" / "data.bin"
    data.write_bytes(data.read_bytes()[:-2])
    with pytest.raises(IntegrityError, match="points outside"):
        load(cache_entry(tmp_path / "a"))


@pytest.mark.parametrize("label", [None, -1, 2])
def test_a_label_that_is_no_class_is_refused(tmp_path: Path, label: int | None) -> None:
    with pytest.raises(BadData, match="1 examples have no label or one that is no class"):
        load(write_cache(tmp_path / "a", [*ROWS, ([1], label, "train", 0)], "<u2"))


@given(st.lists(st.none() | st.integers(-5, 2**31 - 1), max_size=40), st.integers(0, 5))
def test_integers_are_arrows_own(values: list[int | None], start: int) -> None:
    column = pa.chunked_array([pa.array(values, pa.int32())[start:], pa.array(values, pa.int32())])
    assert whole_numbers(column).tolist() == [-1 if v is None else v for v in column.to_pylist()]


def test_large_strings_from_polars_are_read(tmp_path: Path) -> None:
    write_cache(tmp_path / "a", ROWS, "<u2")
    index = tmp_path / "a" / "index.arrow"
    table = pa.ipc.open_file(index).read_all()
    place = table.schema.get_field_index("split")
    write_arrow(table.set_column(place, "split", table["split"].cast(pa.large_string())), index)
    assert len(load(cache_entry(tmp_path / "a"))["train"]) == 3


def test_a_cache_with_the_old_index_says_what_to_do(tmp_path: Path) -> None:
    entry = write_cache(tmp_path / "a", ROWS, "<u2")
    entry["files"] = {"data.bin": entry["files"]["data.bin"], "index.parquet": "0" * 64}
    with pytest.raises(IntegrityError, match=r"older version .* has index\.parquet, no index\.arrow") as caught:
        load(entry)
    assert "--stage token_cache" in str(caught.value.hint)


@pytest.mark.parametrize("content", [b"", b"ARROW1\0\0 and no more", b"PAR1"])
def test_an_index_that_is_no_table_is_named(tmp_path: Path, content: bytes) -> None:
    write_cache(tmp_path / "a", ROWS, "<u2")
    (tmp_path / "a" / "index.arrow").write_bytes(content)
    with pytest.raises(IntegrityError, match="not a readable Arrow file"):
        load(cache_entry(tmp_path / "a"))


def test_an_index_without_a_column_is_named(tmp_path: Path) -> None:
    write_cache(tmp_path / "a", ROWS, "<u2")
    index = tmp_path / "a" / "index.arrow"
    write_arrow(pa.ipc.open_file(index).read_all().drop_columns(["copy"]), index)
    with pytest.raises(IntegrityError, match=r"no column .*copy"):
        load(cache_entry(tmp_path / "a"))


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ({"name": ["a"] * 6}, "no column id"),
        ({"id": ["a"] * 5}, "5 ids, the index has 6 examples"),
        ({"id": ["a"] * 7}, "7 ids, the index has 6 examples"),
        ({"id": [*"abcde", None]}, "5 ids, the index has 6 examples"),
    ],
)
def test_ids_that_are_not_those_of_the_examples_are_named(ids: dict[str, Any], said: str, tmp_path: Path) -> None:
    write_cache(tmp_path / "a", ROWS, "<u2")
    write_arrow(pa.table(ids), tmp_path / "a" / "ids.arrow")
    with pytest.raises(IntegrityError, match=rf"ids\.arrow: .*{said}"):
        training_ids(CacheInput.model_validate(cache_entry(tmp_path / "a")))


def test_an_index_without_originals_is_named(tmp_path: Path) -> None:
    entry = write_cache(tmp_path / "a", ROWS, "<u2")
    (tmp_path / "a" / "originals.bin").write_bytes(b"abc")
    entry["files"]["originals.bin"] = sha256(tmp_path / "a" / "originals.bin")
    with pytest.raises(IntegrityError, match=r"index\.arrow: the index has no column original_offset"):
        training_originals(CacheInput.model_validate(entry))
