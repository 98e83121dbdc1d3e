"""NPZ files against np.load, and the ones that must not be read."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ops.errors import BadData
from ops.sources.npz import Npz
from tests.ops.sources.packing import tar
from tests.ops.sources.reading import read_file, whole


def packed(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.uint8, bool, ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_values_are_those_of_numpy(dtype: Any, order: Any, tmp_path: Path) -> None:
    x = np.array(np.random.default_rng(1).integers(0, 100, (50, 3)), dtype=dtype, order=order)
    y = np.arange(50, dtype=np.float64)
    data = packed(X=x, y=y)
    batch = read_file(Npz(path="f", features=3), tmp_path, data)
    assert batch.rejects.is_empty()
    assert batch.table.columns == ["x0", "x1", "x2", "label", "file", "line"]
    with np.load(io.BytesIO(data)) as wanted:
        np.testing.assert_array_equal(batch.table.select("x0", "x1", "x2").to_numpy(), wanted["X"])
        assert batch.table["label"].to_list() == wanted["y"].tolist()
    assert batch.table["line"].to_list() == list(range(1, 51))


def test_labels_and_names(tmp_path: Path) -> None:
    data = packed(a=np.ones((2, 1)), b=np.array(["é", "x"]))
    batch = read_file(Npz(path="f", features=1, x="a", y="b", label="string"), tmp_path, data)
    assert batch.table["label"].to_list() == ["é", "x"]
    batch = read_file(Npz(path="f", features=1, x="a", y=None), tmp_path, data)
    assert batch.table.columns == ["x0", "file", "line"]
    (tmp_path / "a.tar").write_bytes(tar({"one.npz": data, "two.npz": data}))
    source = Npz(path="a.tar", features=1, x="a", y=None).resolve(tmp_path)
    assert source.natural_partitions() == ["a.tar/one.npz", "a.tar/two.npz"]
    assert whole(source.read()).table.height == 4


def test_values_that_are_not_finite(tmp_path: Path) -> None:
    data = packed(X=np.array([[1.0, 2.0], [np.nan, 1.0], [0.0, -np.inf]]), y=np.zeros(3))
    batch = read_file(Npz(path="f", features=2), tmp_path, data)
    assert batch.table["line"].to_list() == [1]
    assert batch.rejects.select("line", "reason", "detail").rows() == [
        (2, "not_finite", "x0: nan"),
        (3, "not_finite", "x1: -inf"),
    ]
    assert read_file(Npz(path="f", features=2, non_finite="keep"), tmp_path, data).table.height == 3


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    data = packed(X=np.array([[Payload(marker)]], dtype=object), y=np.zeros(1))
    with pytest.raises(BadData, match=r"^f/X: holds Python objects"):
        read_file(Npz(path="f", features=1), tmp_path, data)
    structured = packed(X=np.zeros(1, dtype=[("a", "f8")]), y=np.zeros(1))
    with pytest.raises(BadData, match="holds Python objects"):
        read_file(Npz(path="f", features=1), tmp_path, structured)
    assert not marker.exists()


def forged(header: bytes) -> bytes:
    stream = io.BytesIO()
    body = header.ljust(117) + b"\n"
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("X.npy", b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body + bytes(16))
        archive.writestr("y.npy", b"")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (packed(X=np.ones((2, 3)), y=np.ones(2)), r"shape \(2, 3\), expected is a matrix of numbers with 2 columns"),
        (packed(X=np.ones((2, 2)), y=np.ones(3)), r"y is of shape \(3,\)"),
        (packed(X=np.ones((2, 2)), y=np.array([0.5, 1])), "no whole numbers"),
        (packed(X=np.ones((2, 2)), y=np.array([np.nan, 1])), "no whole numbers"),
        (packed(X=np.array([["a", "b"]]), y=np.ones(1)), "matrix of numbers"),
        (packed(X=np.array([[2**53 + 1, 1]]), y=np.ones(1)), r"beyond 2\^53"),
        (packed(Z=np.ones((2, 2))), "has 0 arrays 'X', it has Z"),
        (packed(X=np.ones((2, 2)), y=np.ones(2))[:-30], "cannot be read as NPZ"),
        (b"nothing", "cannot be read as NPZ"),
        (forged(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 2), }"), "do not hold"),
        (forged(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }")[:60], "cannot be read as NPZ"),
        (forged(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1), }"), "other bytes than its shape"),
        (forged(b"{'descr': __import__('os').system('true'), 'fortran_order': False, 'shape': (1,)}"), "NPZ"),
    ],
    # The bytes of an archive have the time in them, which would make another name of the test each time.
    ids=lambda value: value if isinstance(value, str) else "data",
)
def test_what_is_refused(data: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=rf"^f.*{words}"):
        read_file(Npz(path="f", features=2), tmp_path, data)


@pytest.mark.mirror
def test_adbench(mirror: Path) -> None:
    batch = whole(Npz(path=str(mirror / "adbench" / "29_Pima.npz"), features=8).read())
    assert (batch.table.height, batch.table["label"].sum()) == (768, 268)
    assert batch.table.schema["x7"] == pl.Float64
