"""Training examples as they lie in the token cache: one flat array a partition, and where each example is in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ops.errors import BadData, IntegrityError
from ops.storage.hashing import sha256_file
from ops.training.run import CacheInput

DATA, INDEX = "data.bin", "index.parquet"
COLUMNS = ("offset", "length", "label", "split", "copy")
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples of one split, in the order of partitions and rows.

    Attributes:
        arrays: the values of each partition, flat.
        source: (N,) which array each example is in.
        offset: (N,) where it begins, in values.
        length: (N,) how many values it has.
        label: (N,) its class; or (N, ...) floats, as the task's `label_shape` says; (N, 0) where there is none.
    """

    arrays: tuple[NDArray[Any], ...]
    source: NDArray[np.int64]
    offset: NDArray[np.int64]
    length: NDArray[np.int64]
    label: NDArray[Any]

    def __len__(self) -> int:
        return len(self.source)

    def values(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """(B, longest) values of the examples, zero behind each one's end; at least one column."""
        lengths, offsets, sources = self.length[rows], self.offset[rows], self.source[rows]
        longest = max(1, int(lengths.max(initial=0)))
        if len(self.arrays) == 1:
            found = _slices(self.arrays[0], offsets, longest)
        else:
            found = np.empty((len(rows), longest), dtype=self.arrays[0].dtype)
            for source in np.unique(sources):
                mine = sources == source
                found[mine] = _slices(self.arrays[source], offsets[mine], longest)
        if int(lengths.min(initial=longest)) < longest:
            found[np.arange(longest) >= lengths[:, None]] = 0
        return found


def _slices(array: NDArray[Any], offsets: NDArray[np.int64], length: int) -> NDArray[Any]:
    """(B, length) values from each offset on, zero behind the array's end; slices are copied whole."""
    inside = len(offsets) and int(offsets.max()) + length <= len(array)  # an empty example may lie behind the end
    if inside and len(array) % length == 0 and not (offsets % length).any():
        return np.take(array.reshape(-1, length), offsets // length, axis=0)
    found = np.zeros((len(offsets), length), dtype=array.dtype)
    whole = offsets + length <= len(array)
    if whole.any():
        found[whole] = np.lib.stride_tricks.sliding_window_view(array, length)[offsets[whole]]
    for row in np.flatnonzero(~whole):  # the few whose slice would reach over the end
        rest = array[offsets[row] :]
        found[row, : len(rest)] = rest
    return found


def load_examples(
    inputs: Sequence[CacheInput], dtype: str, classes: int, memory: int = 0, label_shape: tuple[int, ...] | None = ()
) -> dict[str, Examples]:
    """Open the partitions, check their bytes, and divide the examples by split.

    Only training examples may be altered copies (`copy` above 0); those of other splits are left out.

    Args:
        inputs: the partitions of the token cache.
        dtype: how one value lies in `data.bin`.
        classes: number of classes; labels are 0 ... classes - 1.
        memory: bytes of values that are read into memory; partitions that do not fit in any more are mapped.
        label_shape: shape of one example's label where it is no class but floats; None where it has none.

    Raises:
        IntegrityError: bytes are not what the manifest says, or the index points outside the data.
        BadData: an example has no label or one that is no class, or there is nothing to train on.
    """
    opened = []
    for part in inputs:
        array, table = _open(part, dtype, memory, label_shape)
        memory -= 0 if isinstance(array.base, np.memmap) else array.nbytes
        opened.append((array, table))
    arrays = tuple(array for array, _ in opened)
    index = {name: np.concatenate([table[name] for _, table in opened]) for name in COLUMNS}
    source = np.repeat(np.arange(len(opened)), [len(table["label"]) for _, table in opened])
    for number, (part, (array, table)) in enumerate(zip(inputs, opened, strict=True)):
        _check(part, array, table, classes, number)
    found = {}
    for number, split in enumerate(SPLITS):
        rows = (index["split"] == number) & ((index["copy"] == 0) | (split == "train"))
        found[split] = Examples(arrays, source[rows], *(index[name][rows] for name in ("offset", "length", "label")))
    if not len(found["train"]):
        raise BadData("the token cache has no training examples", hint="look at what cleaning and split left over")
    return found


def _open(
    part: CacheInput, dtype: str, memory: int, label_shape: tuple[int, ...] | None
) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
    """The values and the index of one partition, their bytes checked before anything parses them."""
    for name in (DATA, INDEX):
        path = Path(part.path) / name
        try:
            actual = sha256_file(path)
        except OSError as error:
            raise IntegrityError(f"cannot be read: {error.strerror}", where=str(path)) from error
        if actual != part.files.get(name):
            raise IntegrityError("the bytes are not those of the manifest", where=str(path), hint="satiety verify")
    path = Path(part.path) / DATA
    size = path.stat().st_size // np.dtype(dtype).itemsize
    array: NDArray[Any]
    if not size:
        array = np.zeros(1, dtype)  # an empty file cannot be mapped; one value that nothing points to stands for it
    elif path.stat().st_size <= memory:
        array = np.fromfile(path, dtype=dtype, count=size)
    else:
        array = np.asarray(np.memmap(path, dtype=dtype, mode="r", shape=(size,)))
    return array, _index(Path(part.path) / INDEX, label_shape)


def _index(path: Path, label_shape: tuple[int, ...] | None) -> dict[str, NDArray[Any]]:
    with pq.ParquetFile(path, read_dictionary=["split"]) as file:
        table = file.read(columns=[name for name in COLUMNS if name != "label" or label_shape is not None])
    whole = ("offset", "length", "copy", *(("label",) if label_shape == () else ()))
    found: dict[str, NDArray[Any]] = {name: _integers(table[name]) for name in whole}
    if label_shape is None:
        found["label"] = np.zeros((len(table), 0), np.int64)
    elif label_shape:
        found["label"] = _floats(table["label"], label_shape, path)
    found["split"] = _split_numbers(table["split"])
    return found


def _floats(column: pa.ChunkedArray, shape: tuple[int, ...], path: Path) -> NDArray[np.float32]:
    """(N, *shape) from a column of lists of 32-bit floats, none of them null."""
    size = math.prod(shape)
    kind = column.type
    if not pa.types.is_fixed_size_list(kind) or kind.list_size != size or kind.value_type != pa.float32():
        raise IntegrityError(f"labels are {kind}, not {size} floats each", where=str(path))
    parts = [chunk.flatten() for chunk in column.chunks]
    flat = pa.chunked_array(parts, pa.float32()).combine_chunks() if parts else pa.array([], pa.float32())
    if flat.null_count or len(flat) != size * len(column):
        raise IntegrityError("a label is null", where=str(path))
    if not len(flat):
        return np.zeros((0, *shape), np.float32)
    found = np.frombuffer(flat.buffers()[1], np.float32)[flat.offset : flat.offset + len(flat)]
    return found.reshape(len(column), *shape)


def _split_numbers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """The place of each row's split among `SPLITS`; -1 for another. Names are looked at once each, not row by row."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    parts = [np.zeros(0, np.int64)]
    for chunk in column.chunks:
        names = chunk.dictionary.to_pylist()
        numbers = np.array([*(SPLITS.index(name) if name in SPLITS else -1 for name in names), -1])
        parts.append(numbers[_whole_numbers(chunk.indices)])
    return np.concatenate(parts)


def _integers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """The column's values, -1 for null."""
    return np.concatenate([np.zeros(0, np.int64), *map(_whole_numbers, column.chunks)])


def _whole_numbers(values: pa.Array) -> NDArray[np.int64]:
    """Whole numbers of any width, -1 for null, straight from Arrow's buffers.

    `to_numpy` and `fill_null` import pandas, and `cast` all of pyarrow's functions: half a tenth of a second.
    """
    if pa.types.is_null(values.type):
        return np.full(len(values), -1)
    if not pa.types.is_integer(values.type):
        raise IntegrityError(f"a column of the index holds {values.type}, not whole numbers")
    valid, data = values.buffers()
    if data is None:
        return np.full(len(values), -1)
    found = np.frombuffer(data, np.dtype(str(values.type)))[values.offset : values.offset + len(values)]
    if valid is None:
        return found.astype(np.int64)
    present = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")
    return np.where(present[values.offset : values.offset + len(values)], found, -1).astype(np.int64)


def _check(part: CacheInput, array: NDArray[Any], table: dict[str, NDArray[Any]], classes: int, number: int) -> None:
    where = str(Path(part.path) / INDEX)
    ends = table["offset"] + table["length"]
    if len(ends) and (table["offset"].min() < 0 or table["length"].min() < 0 or ends.max() > len(array)):
        raise IntegrityError("the index points outside the data", where=where)
    if table["label"].ndim > 1:
        return
    wrong = (table["label"] < 0) | (table["label"] >= classes)
    if wrong.any():
        raise BadData(f"{int(wrong.sum())} examples have no label or one that is no class", where=where)
