"""The files of a token cache as training reads them: values that are mapped, and where in them each example is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ops.augmentation.forms import LENGTH, OFFSET, ORIGINALS
from ops.errors import IntegrityError
from ops.storage.hashing import sha256_file
from ops.training.cache_files import DATA, IDS, INDEX, OLD_INDEX, SPLITS, outdated
from ops.training.run import CacheInput


def checked(part: CacheInput, name: str) -> Path:
    """Where a file of a partition is, its bytes checked before anything parses them.

    Raises:
        IntegrityError: they are not those of the manifest, or an older version of Satiety has written the cache.
    """
    path = Path(part.path) / name
    if name not in part.files and OLD_INDEX in part.files:
        raise outdated(path.parent)
    try:
        actual = sha256_file(path)
    except OSError as error:
        raise IntegrityError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if actual != part.files.get(name):
        raise IntegrityError("the bytes are not those of the manifest", where=str(path), hint="satiety verify")
    return path


def checked_values(part: CacheInput, dtype: str, memory: int, name: str = DATA) -> NDArray[Any]:
    """The values of a partition: read where they fit into so many bytes, else mapped."""
    path = checked(part, name)
    size = path.stat().st_size // np.dtype(dtype).itemsize
    if not size:
        return np.zeros(1, dtype)  # an empty file cannot be mapped; one value that nothing points to stands for it
    if path.stat().st_size <= memory:
        return np.fromfile(path, dtype=dtype, count=size)
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", shape=(size,)))


def read_index(part: CacheInput, label_shape: tuple[int, ...] | None) -> dict[str, NDArray[Any]]:
    """The columns of the index by name, views of the mapped file where it holds what is wanted.

    Args:
        part: the partition.
        label_shape: shape of one label where it is no class but floats; None where examples have none.
    """
    path = checked(part, INDEX)
    wanted = ("offset", "length", "copy", "split", *(("label",) if label_shape is not None else ()))
    table = _table(path, *wanted)
    found: dict[str, NDArray[Any]] = {name: whole_numbers(table[name]) for name in wanted[:3]}
    if label_shape is None:
        found["label"] = np.zeros((len(table), 0), np.int64)
    else:
        label = table["label"]
        found["label"] = _floats(label, label_shape, path) if label_shape else whole_numbers(label)
    found["split"] = _split_numbers(table["split"])
    return found


def training_ids(part: CacheInput) -> pa.ChunkedArray:
    """Ids of the training examples of a partition, in the order of its index.

    This imports pyarrow's functions: a tenth of a second, which runs without changes are spared.

    Raises:
        IntegrityError: bytes are not those of the manifest, or there is not one id for each example.
    """
    chosen = _split_numbers(_table(checked(part, INDEX), "split")["split"]) == 0
    path = checked(part, IDS)
    ids = _table(path, "id")["id"]
    if len(ids) != len(chosen) or ids.null_count:
        said = f"{len(ids) - ids.null_count} ids, the index has {len(chosen)} examples"
        raise IntegrityError(said, where=str(path))
    # `pa.array` imports pandas.
    bits = pa.py_buffer(np.packbits(chosen, bitorder="little"))
    mask = pa.Array.from_buffers(pa.bool_(), len(chosen), [None, bits])
    return ids.cast(pa.large_string()).filter(mask)


def training_originals(part: CacheInput) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """What changes read of the training examples of a partition, in the order of its index: bytes, places and sizes.

    Raises:
        IntegrityError: bytes are not those of the manifest, or the index points outside them.
    """
    array = checked_values(part, "u1", 0, ORIGINALS)
    path = checked(part, INDEX)
    table = _table(path, "split", OFFSET, LENGTH)
    chosen = np.flatnonzero(_split_numbers(table["split"]) == 0)
    offset, length = (whole_numbers(table[name])[chosen].astype(np.int64) for name in (OFFSET, LENGTH))
    if len(chosen) and (offset.min() < 0 or length.min() < 0 or (offset + length).max() > len(array)):
        raise IntegrityError("the index points outside the originals", where=str(path))
    return array, offset, length


def _table(path: Path, *columns: str) -> pa.Table:
    """A mapped file's table, which has those columns."""
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
            table = reader.read_all()
    except (pa.ArrowException, OSError) as error:
        raise IntegrityError(f"not a readable Arrow file: {error}", where=str(path)) from error
    for name in columns:
        if name not in table.column_names:
            raise IntegrityError(f"the index has no column {name}", where=str(path))
    return table


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


def _split_numbers(column: pa.ChunkedArray) -> NDArray[np.int8]:
    """The place of each row's split among `SPLITS`; -1 for another. Names are looked at once each, not row by row."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    parts = [np.zeros(0, np.int8)]
    for chunk in column.chunks:
        names = chunk.dictionary.to_pylist()
        numbers = np.array([*(SPLITS.index(name) if name in SPLITS else -1 for name in names), -1], np.int8)
        parts.append(numbers[_whole_numbers(chunk.indices)])
    return np.concatenate(parts)


def whole_numbers(column: pa.ChunkedArray) -> NDArray[Any]:
    """The column's values, -1 for null."""
    parts = [_whole_numbers(chunk) for chunk in column.chunks] or [np.zeros(0, np.int64)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _whole_numbers(values: pa.Array) -> NDArray[Any]:
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
        return found
    present = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")
    return np.where(present[values.offset : values.offset + len(values)], found, -1).astype(np.int64)
