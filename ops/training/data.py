"""Training examples as they lie in the token cache: one flat array a partition, and where each example is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.errors import BadData, IntegrityError
from ops.training.cache_files import INDEX, SPLITS
from ops.training.index import checked_values, read_index
from ops.training.run import CacheInput


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

    def slices(self, rows: NDArray[np.int64]) -> list[NDArray[Any]]:
        """The values of each of the examples on its own."""
        lengths, offsets, sources = (each[rows].tolist() for each in (self.length, self.offset, self.source))
        return [
            self.arrays[source][offset : offset + length]
            for source, offset, length in zip(sources, offsets, lengths, strict=True)
        ]


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
    arrays: list[NDArray[Any]] = []
    rows: dict[str, list[dict[str, NDArray[Any]]]] = {split: [] for split in SPLITS}
    for number, part in enumerate(inputs):
        array, index = checked_values(part, dtype, memory), read_index(part, label_shape)
        memory -= 0 if isinstance(array.base, np.memmap) else array.nbytes
        _check(part, array, index, classes)
        arrays.append(array)
        for split, chosen in zip(SPLITS, _places(index), strict=True):
            taken = {name: np.take(index[name], chosen, axis=0) for name in ("offset", "length", "label")}
            rows[split].append({"source": np.full(len(chosen), number), **taken})
    found = {split: Examples(tuple(arrays), **_joined(rows.pop(split))) for split in SPLITS}
    if not len(found["train"]):
        raise BadData("the token cache has no training examples", hint="look at what cleaning and split left over")
    return found


def _places(index: dict[str, NDArray[Any]]) -> list[NDArray[np.int64]]:
    """The rows of each split: altered copies (`copy` above 0) are for training only."""
    originals = index["copy"] == 0
    return [np.flatnonzero((index["split"] == n) & (True if n == 0 else originals)) for n in range(len(SPLITS))]


def _joined(parts: list[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """The columns of all partitions, in 64 bits where they are whole numbers."""
    found = {}
    for name in list(parts[0]):
        columns = [part.pop(name) for part in parts]
        whole = np.concatenate(columns) if len(columns) > 1 else columns[0]
        found[name] = whole.astype(np.int64, copy=False) if whole.dtype.kind in "iu" else whole
    return found


def _check(part: CacheInput, array: NDArray[Any], table: dict[str, NDArray[Any]], classes: int) -> None:
    where = str(Path(part.path) / INDEX)
    ends = table["offset"] + table["length"]
    if len(ends) and (table["offset"].min() < 0 or table["length"].min() < 0 or ends.max() > len(array)):
        raise IntegrityError("the index points outside the data", where=where)
    if table["label"].ndim > 1:
        return
    wrong = (table["label"] < 0) | (table["label"] >= classes)
    if wrong.any():
        raise BadData(f"{int(wrong.sum())} examples have no label or one that is no class", where=where)
