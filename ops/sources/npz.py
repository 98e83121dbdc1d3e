"""NPZ files: a matrix of features and a vector of labels."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import PositiveInt

from ops.errors import BadData
from ops.sources.base import BATCH_BYTES, Batch, Modality
from ops.sources.containers import InputFile
from ops.sources.files import FileSource
from ops.sources.rejects import Reject, reject_frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST_HEADER = 10_000
LARGEST_DIRECTORY = 1 << 20


class Npz(FileSource):
    """NumPy archives with `X` of shape (rows, features) and `y` of shape (rows,); nothing in them is ever unpickled.

    Features are `x0`, `x1`, … in float64; integers and smaller floats are carried over exactly or the file is refused.
    A row with NaN or an infinity is rejected unless the recipe keeps it; `line` is the number of the row, from 1.
    """

    natural: ClassVar[Literal["package", "file"] | None] = "file"
    modality: ClassVar[Modality] = "table"
    keep: ClassVar[tuple[str, ...]] = ("zip",)

    kind: Literal["npz"] = "npz"
    """NumPy archives."""
    features: PositiveInt
    """How many features there are."""
    x: str = "X"
    """Name of the matrix in the archive."""
    y: str | None = "y"
    """Name of the labels in the archive; null where there are none."""
    label: Literal["int64", "string"] = "int64"
    """Type of the labels."""
    non_finite: Literal["reject", "keep"] = "reject"
    """Whether a row with NaN or an infinity is rejected or kept as it is."""
    max_array_bytes: PositiveInt = 1 << 30
    """Largest array; it is held in memory."""

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """The features, and the label."""
        found: dict[str, pl.DataType] = {f"x{index}": pl.Float64() for index in range(self.features)}
        if self.y is not None:
            found["label"] = pl.Int64() if self.label == "int64" else pl.String()
        return found

    def read_file(self, file: InputFile) -> Iterator[Batch]:
        """Yield the rows of one file.

        Raises:
            BadData: the file is damaged, holds Python objects, or has other arrays than the declared ones.
        """
        with file.seekable() as stream:
            try:
                with zipfile.ZipFile(stream) as archive:
                    x, y = self._arrays(archive, file.name)
            except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError) as error:
                raise BadData(f"cannot be read as NPZ: {str(error)[:200]}", where=file.name) from error
        step = max(BATCH_BYTES * 16 // (8 * self.features), 1)
        for start in range(0, max(len(x), 1), step):
            yield self._batch(x[start : start + step], None if y is None else y[start : start + step], start, file.name)

    def _arrays(self, archive: zipfile.ZipFile, name: str) -> tuple[NDArray[np.float64], Any]:
        x = self._array(archive, self.x, name)
        if x.ndim != 2 or x.shape[1] != self.features or x.dtype.kind not in "biuf":
            expected = f"a matrix of numbers with {self.features} columns"
            raise BadData(f"{self.x} is {x.dtype} of shape {x.shape}, expected is {expected}", where=name)
        values = x.astype(np.float64)
        if x.dtype.kind != "f" and not np.array_equal(values.astype(x.dtype), x):
            raise BadData(f"{self.x} has integers beyond 2^53, which float64 does not hold", where=name)
        if self.y is None:
            return values, None
        y = self._array(archive, self.y, name)
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        if y.shape != (len(x),):
            raise BadData(f"{self.y} is of shape {y.shape}, expected is ({len(x)},)", where=name)
        return values, self._labels(y, name)

    def _labels(self, y: Any, name: str) -> Any:
        if self.label == "string" and y.dtype.kind == "U":
            return y
        if self.label == "int64" and y.dtype.kind in "biuf":
            whole = np.zeros(len(y), np.int64)
            fits = np.isfinite(y.astype(np.float64)) & (np.abs(y.astype(np.float64)) < 2**53)
            whole[fits] = y[fits].astype(np.int64)
            if bool(fits.all()) and np.array_equal(whole.astype(y.dtype), y):
                return whole
            raise BadData(f"{self.y} has values that are no whole numbers", where=name, hint="declare other labels")
        raise BadData(f"{self.y} is {y.dtype}, declared is {self.label}", where=name)

    def _array(self, archive: zipfile.ZipFile, key: str, name: str) -> Any:
        found = [info for info in archive.infolist() if info.filename == f"{key}.npy"]
        if len(found) != 1:
            names = ", ".join(sorted(info.filename.removesuffix(".npy")[:50] for info in archive.infolist())[:20])
            raise BadData(f"has {len(found)} arrays {key!r}, it has {names}", where=name)
        if found[0].file_size > self.max_array_bytes:
            hint = "raise max_array_bytes"
            raise BadData(f"{key} has {found[0].file_size:,} bytes, too many", where=name, hint=hint)
        with archive.open(found[0]) as stream:
            return read_array(stream, found[0].file_size, f"{name}/{key}")

    def _batch(self, x: NDArray[np.float64], y: Any, start: int, name: str) -> Batch:
        good = np.isfinite(x).all(axis=1) if self.non_finite == "reject" else np.ones(len(x), bool)
        data: dict[str, Any] = {f"x{index}": np.ascontiguousarray(x[good, index]) for index in range(self.features)}
        if y is not None:
            data["label"] = y[good] if self.label == "int64" else y[good].tolist()
        lines = np.arange(start + 1, start + 1 + len(x))
        table = pl.DataFrame(data, schema=self.columns)
        table = table.with_columns(pl.lit(name, pl.String).alias("file"), pl.Series("line", lines[good], pl.Int64))
        rejects = []
        for row in np.flatnonzero(~good).tolist():
            column = int(np.flatnonzero(~np.isfinite(x[row]))[0])
            excerpt = str(x[row].tolist()).encode()
            rejects.append(Reject(name, int(lines[row]), None, "not_finite", f"x{column}: {x[row, column]}", excerpt))
        return Batch(table, reject_frame(rejects))


def read_array(stream: BinaryIO | Any, size: int, name: str) -> NDArray[Any]:
    """One NPY array (NEP 1), after its header was compared with its size.

    Args:
        stream: the file, from its first byte.
        size: bytes that it has.
        name: for errors.

    Raises:
        BadData: it holds Python objects, or its header says another size.
        ValueError: it is no NPY.
    """
    version = np.lib.format.read_magic(stream)
    reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if reader is None:
        raise BadData(f"is NPY of version {version}, which is not read", where=name)
    shape, fortran, dtype = reader(stream, max_header_size=LONGEST_HEADER)
    if dtype.hasobject or dtype.names is not None:
        hint = "save it as an array of numbers or text: unpickling would run code of the file"
        raise BadData("holds Python objects, which are never read", where=name, hint=hint)
    count = math.prod(shape)
    # The header takes less than what is left over; a shape that the file cannot fill would take the memory first.
    if count * dtype.itemsize > size or (count == 0 and max(shape, default=0) > size):
        raise BadData(f"says that it is of shape {shape}, which its {size:,} bytes do not hold", where=name)
    data = stream.read(count * dtype.itemsize)
    if len(data) != count * dtype.itemsize or stream.read(1):
        raise BadData(f"has other bytes than its shape {shape} says", where=name)
    array = np.frombuffer(data, dtype)
    return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)
