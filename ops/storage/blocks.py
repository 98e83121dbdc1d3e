"""Large arrays of which somebody reads some places only: every block of the file has a hash of its own.

Beside the array lies `<name>.sums`, the SHA-256 of its blocks one after the other. That file is in the manifest, small,
and hashed as a whole before it is believed; no block reaches a caller that was not checked against it once read.
So looking up a thousand records in a file of gigabytes reads and hashes a thousand blocks.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.errors import IntegrityError
from ops.storage.files import translate

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    I64 = npt.NDArray[np.int64]
    U8 = npt.NDArray[np.uint8]

BLOCK = 8192
"""Bytes of a block, unless an array was written with others: its entry in the manifest says so then."""

SUM = 32
"""Bytes of a hash."""


def sums_of(name: str) -> str:
    """The file with the hashes of an array's blocks."""
    return f"{name}.sums"


class Sums:
    """Hashes of the blocks of what is written piece by piece."""

    def __init__(self, block: int = BLOCK) -> None:
        self._found, self._block = bytearray(), block
        self._hash, self._size = hashlib.sha256(), 0

    def add(self, data: memoryview) -> None:
        """Take the next bytes."""
        start = 0
        if self._size:
            start = min(len(data), self._block - self._size)
            self._part(data[:start])
        whole = start + (len(data) - start) // self._block * self._block
        for place in range(start, whole, self._block):
            self._found += hashlib.sha256(data[place : place + self._block]).digest()
        if whole < len(data):
            self._part(data[whole:])

    def _part(self, data: memoryview) -> None:
        self._hash.update(data)
        self._size += len(data)
        if self._size == self._block:
            self._close()

    def _close(self) -> None:
        self._found += self._hash.digest()
        self._hash, self._size = hashlib.sha256(), 0

    def finished(self) -> bytes:
        """All hashes, that of a last block that is not full among them."""
        if self._size:
            self._close()
        return bytes(self._found)


class Blocks:
    """An array on disk, of rows of `width` elements; only what is asked for is read and checked."""

    def __init__(self, path: Path, size: int, sums: U8, dtype: np.dtype[Any], width: int, block: int = BLOCK) -> None:
        """Take over an array.

        Args:
            path: the file.
            size: its bytes, by the manifest.
            sums: hashes of its blocks, already checked.
            dtype: of the elements.
            width: elements of a row.
            block: bytes of a block.

        Raises:
            IntegrityError: size, hashes and type do not go together.
        """
        self._path, self._size, self._sums = path, size, sums
        self._block = block
        self._dtype, self._width, self._unit = dtype, width, dtype.itemsize * width
        if size % self._unit or len(sums) != -(-size // block) * SUM:
            raise IntegrityError(f"{size} bytes are no rows of {self._unit} with these hashes", where=str(path))

    def __len__(self) -> int:
        return self._size // self._unit

    def read(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Rows from `start` up to `stop`: (rows,), or (rows, width) where that is more than one."""
        import numpy as np

        begin, end = start * self._unit, max(start, stop) * self._unit
        first, last = begin // self._block, -(-end // self._block)
        data = self._blocks(np.arange(first, last if end > begin else first))
        return self._shaped(data[begin - first * self._block : end - first * self._block].view(self._dtype))

    def take(self, starts: I64, sizes: I64 | int = 1) -> npt.NDArray[Any]:
        """`sizes` rows from each of `starts` on, one after the other."""
        import numpy as np

        sizes = np.broadcast_to(np.asarray(sizes, dtype=np.int64), starts.shape)
        starts, sizes = starts[sizes > 0], sizes[sizes > 0]
        begin, end = starts * self._unit, (starts + sizes) * self._unit
        first, count = begin // self._block, -(-end // self._block) - begin // self._block
        numbers = np.unique(expanded(first, count))
        data = self._blocks(numbers).view(self._dtype)
        each = self._dtype.itemsize
        inside = (np.searchsorted(numbers, first) - first) * (self._block // each) + begin // each
        if len(sizes) and (sizes == 1).all():  # numbers of all elements would take up to eight times what is found
            return self._shaped(np.lib.stride_tricks.sliding_window_view(data, self._width)[inside].reshape(-1))
        return self._shaped(data[expanded(inside, sizes * self._width)])

    def blocks(self, numbers: I64) -> npt.NDArray[Any]:
        """The elements of whole blocks, given by ascending numbers."""
        return self._blocks(numbers).view(self._dtype)

    def _shaped(self, data: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return data.reshape(-1, self._width) if self._width > 1 else data

    def _blocks(self, numbers: I64) -> U8:
        import numpy as np

        if not len(numbers):
            return np.empty(0, dtype=np.uint8)
        size = len(numbers) * self._block - max(0, (int(numbers[-1]) + 1) * self._block - self._size)
        data = np.empty(size, dtype=np.uint8)
        ends = np.flatnonzero(np.diff(numbers, append=-2) != 1) + 1
        try:
            with self._path.open("rb", buffering=0) as file:
                start = 0
                for stop in ends.tolist():
                    self._fill(
                        file.fileno(), int(numbers[start]) * self._block, data[start * self._block : stop * self._block]
                    )
                    start = stop
        except OSError as error:
            raise translate(error, "read", self._path) from error
        sums, view, sha256 = (
            self._sums[expanded(numbers * SUM, np.full(len(numbers), SUM))].tobytes(),
            data.data,
            hashlib.sha256,
        )
        for place in range(len(numbers)):
            if (
                sha256(view[place * self._block : (place + 1) * self._block]).digest()
                != sums[place * SUM : (place + 1) * SUM]
            ):
                raise IntegrityError(
                    f"bytes from {int(numbers[place]) * self._block} on are not what the manifest says",
                    where=str(self._path),
                    hint="move the folder away and run again, or restore it",
                )
        return data

    def _fill(self, file: int, offset: int, data: U8) -> None:
        view, done = data.data, 0
        while done < len(view):
            got = os.preadv(file, [view[done:]], offset + done)
            if not got:
                raise IntegrityError(f"ends before byte {offset + len(view)}", where=str(self._path))
            done += got


def expanded(starts: I64, sizes: I64) -> I64:
    """The whole numbers from each start on, `sizes` of them, one range after the other."""
    import numpy as np

    return np.repeat(starts - (np.cumsum(sizes) - sizes), sizes) + np.arange(int(sizes.sum()))
