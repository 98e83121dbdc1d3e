"""What a kind of change of rows of tables is; see `ops/augmentation/table_copies.py` for which rows get copies."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from ops.augmentation.base import Change
from ops.cleaning.sampling import mixed

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

LABEL = "label"


class TableChange(Change):
    """A change of columns of numbers. A subclass adds `kind: Literal[...]`, its settings and `moved`."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"table"})

    columns: Annotated[list[str], Field(min_length=1)]
    """The columns of numbers that are changed."""

    @property
    def kin_count(self) -> int:
        """How many other rows it looks at for each."""
        return 0

    def kin(self, values: NDArray[np.float64], labels: pl.Series, pool: pl.DataFrame) -> NDArray[np.float64]:
        """(N, K, C) the other rows that `moved` looks at for each row; NaN where there are fewer than K.

        Args:
            values: (N, C) of the rows to change.
            labels: (N,) their classes.
            pool: all training rows of the partition, as they are.
        """
        import numpy as np

        return np.zeros((len(values), 0, values.shape[1]))

    def moved(
        self, values: NDArray[np.float64], kin: NDArray[np.float64], seeds: NDArray[np.uint64]
    ) -> NDArray[np.float64]:
        """The changed values (N, C), each row a pure function of the row, its kin and its seed.

        Args:
            values: (N, C) of the rows to change.
            kin: (N, K, C) what `kin` found.
            seeds: (N,) what each row draws from.
        """
        raise TypeError(f"{type(self).__name__} has no moved")

    def changed(
        self, values: NDArray[np.float64], kin: NDArray[np.float64], seeds: NDArray[np.uint64]
    ) -> NDArray[np.float64]:
        """As `moved`, but for the rows that the probability leaves as they are."""
        import numpy as np

        spared = uniform(seeds, 0) >= self.probability
        return np.where(spared[:, None], values, self.moved(values, kin, seeds))


def row_seeds(ids: Iterable[str], seed: int, copy: int, place: int) -> NDArray[np.uint64]:
    """(N,) what each row draws from for a copy and a step: the first 8 bytes of a SHA-256."""
    import numpy as np

    # A loop over rows, of one call into OpenSSL each.
    digests = (hashlib.sha256(f"{seed}/{copy}/{place}/{row}".encode()).digest()[:8] for row in ids)
    return np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)


def uniform(seeds: NDArray[np.uint64], number: int) -> NDArray[np.float64]:
    """(N,) the number-th draw of each row, even in [0, 1)."""
    import numpy as np

    state = mixed(seeds ^ mixed(np.full(1, number, np.uint64)))
    return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53
