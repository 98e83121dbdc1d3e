"""Arrays that are read and checked block by block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.errors import IntegrityError
from ops.storage import Output, Store, Version
from ops.storage.blocks import BLOCK

ROWS = 5000


def write(folder: Path, values: np.ndarray, pieces: int = 7) -> Version:
    def fill(output: Output) -> None:
        with output.array("a.bin", blocks=True) as file:
            for piece in np.array_split(values, pieces):
                file.write(piece)

    return Store(folder).slot("r", "s").commit("0" * 32, {}, fill)[0]


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 1 << 60, (ROWS, 3), dtype=np.uint64)


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory, values: np.ndarray) -> Version:
    return write(tmp_path_factory.mktemp("blocks"), values)


@given(st.lists(st.tuples(st.integers(0, ROWS - 1), st.integers(0, 900)), max_size=20))
@settings(max_examples=100)
def test_any_rows_are_those_of_the_array(version: Version, values: np.ndarray, ranges: list[tuple[int, int]]) -> None:
    blocks = version.blocks("a.bin", np.uint64, 3)
    assert len(blocks) == ROWS
    cut = [(start, min(size, ROWS - start)) for start, size in ranges]
    wanted = np.concatenate([values[start : start + size] for start, size in cut]) if cut else values[:0]
    starts, sizes = (np.array([pair[side] for pair in cut], dtype=np.int64) for side in (0, 1))
    assert np.array_equal(blocks.take(starts, sizes), wanted)
    for start, size in cut:
        assert np.array_equal(blocks.read(start, start + size), values[start : start + size])


def test_a_flipped_bit_is_found_where_it_is_read_and_only_there(tmp_path: Path, values: np.ndarray) -> None:
    version = write(tmp_path, values)
    path = version.path / "a.bin"
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[3 * BLOCK + 17] ^= 4
    path.write_bytes(data)
    blocks = version.blocks("a.bin", np.uint64, 3)
    rows = BLOCK // 24
    assert np.array_equal(blocks.read(0, rows), values[:rows])
    with pytest.raises(IntegrityError, match=f"bytes from {3 * BLOCK} on"):
        blocks.take(np.array([0, 3 * rows + 5]))
    path.write_bytes(data[: 3 * BLOCK])
    with pytest.raises(IntegrityError, match="ends before"):
        blocks.read(0, ROWS)


def test_hashes_are_believed_only_when_the_manifest_has_them(tmp_path: Path, values: np.ndarray) -> None:
    version = write(tmp_path, values)
    path = version.path / "a.bin.sums"
    path.chmod(0o644)
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(IntegrityError, match="bytes are not what the manifest says"):
        version.blocks("a.bin", np.uint64, 3)


def test_an_empty_array_and_a_wrong_type(tmp_path: Path, values: np.ndarray) -> None:
    version = write(tmp_path, values[:0])
    assert len(version.blocks("a.bin", np.uint64, 3)) == 0
    assert version.blocks("a.bin", np.uint64, 3).read(0, 0).shape == (0, 3)
    with pytest.raises(IntegrityError, match="elements are <u8"):
        version.blocks("a.bin", np.uint32)
    whole = write(tmp_path / "b", values)
    with pytest.raises(IntegrityError, match="no rows of"):
        whole.blocks("a.bin", np.uint64, 7)
