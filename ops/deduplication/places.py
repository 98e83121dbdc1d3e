"""Rows of the whole corpus as numbers: the partition's place in the high half, the row in the low half."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

NOWHERE = np.uint64(2**64 - 1)


def places(partition: int, rows: npt.NDArray[Any]) -> U64:
    """The numbers of some rows of a partition."""
    return np.uint64(partition << 32) | rows.astype(np.uint64)


class Names:
    """The ids of some rows of the corpus, read partition by partition."""

    def __init__(self, wanted: U64, read: Callable[[int], pl.Series]) -> None:
        """Read them.

        Args:
            wanted: the rows, ascending.
            read: gives the ids of a partition, by row.
        """
        self._wanted = wanted
        found = [pl.Series("id", [], pl.String)]
        partitions, starts = np.unique(wanted >> np.uint64(32), return_index=True)
        for number, some in zip(partitions.tolist(), np.split(wanted, starts[1:]), strict=False):
            found.append(read(int(number)).gather((some & np.uint64(0xFFFFFFFF)).astype(np.uint32)))
        self._ids = pl.concat(found)

    def of(self, rows: U64) -> pl.Series:
        """The ids of rows that were wanted."""
        return self._ids.gather(np.searchsorted(self._wanted, rows))
