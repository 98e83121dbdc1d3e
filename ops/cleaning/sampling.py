"""A sample of rows of numbers that depends on their content alone, not on their order or partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def sampled(rows: NDArray[np.float64], size: int, seed: int = 0) -> NDArray[np.float64]:
    """At most `size` of the rows (N, C), those of the smallest hashes, in the order of their hashes."""
    import numpy as np

    hashes = content_hashes(rows, seed)
    # Whole rows break ties, of which equal rows are the only likely ones.
    order = np.lexsort((*rows.T[::-1], hashes))
    return rows[order[:size]]


def content_hashes(rows: NDArray[np.float64], seed: int = 0) -> NDArray[np.uint64]:
    """(N,) a hash of each row's bits: SplitMix64 (Steele, Lea and Flood, 2014) over its columns in turn."""
    import numpy as np

    # Adding zero turns -0.0 into 0.0; every NaN counts as the same.
    plain = np.where(np.isnan(rows), np.nan, rows + 0.0)
    bits = np.ascontiguousarray(plain).view(np.uint64)
    state = np.full(len(rows), np.uint64(seed), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for column in range(rows.shape[1]):
            state = mixed(state ^ bits[:, column])
    return state


def mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One step of the generator."""
    import numpy as np

    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))
