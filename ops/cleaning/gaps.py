"""Runs of missing values, and seeded masks that make some: random cells, and contiguous blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def missing(values: pl.Series) -> pl.Series:
    """Where there is no value: null, or NaN in a column of floats."""
    return values.is_null() | values.is_nan().fill_null(False) if values.dtype.is_float() else values.is_null()


def finite(values: pl.Series) -> pl.Series:
    """Where there is a value to learn from: neither missing nor infinite."""
    return values.is_finite().fill_null(False) if values.dtype.is_float() else values.is_not_null()


def group_numbers(table: pl.DataFrame, groups: list[str]) -> NDArray[np.int64]:
    """For each row the number of its group, in the order in which groups first occur."""
    import numpy as np

    if not groups or table.is_empty():
        return np.zeros(table.height, np.int64)
    ranks = table.select(pl.struct(groups).rank("dense").alias("g"))["g"]
    return ranks.cast(pl.Int64).to_numpy()


def run_lengths(absent: NDArray[np.bool_], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each place the length of the run of missing values it is in; 0 where a value is there.

    Args:
        absent: (N,) in the order of the rows.
        group: (N,) the group of each row, whose rows lie together; a run ends with its group.
    """
    import numpy as np

    if not len(absent):
        return np.zeros(0, np.int64)
    new = np.ones(len(absent), bool)
    new[1:] = (absent[1:] != absent[:-1]) | (group[1:] != group[:-1])
    run = np.cumsum(new) - 1
    return np.where(absent, np.bincount(run)[run], 0)


def cell_mask(present: NDArray[np.bool_], share: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """A share of the values that are there, drawn one by one; at least one stays.

    Args:
        present: (N,) where a value is there.
        share: of those.
        random: draws them.
    """
    import numpy as np

    places = np.flatnonzero(present)
    mask = np.zeros(len(present), bool)
    count = min(max(1, round(share * len(places))), max(0, len(places) - 1))
    mask[random.permutation(places)[:count]] = True
    return mask


def block_mask(present: NDArray[np.bool_], share: float, length: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """The values that are there within whole blocks of rows, about a share of them; blocks do not overlap or touch.

    Blocks start at multiples of twice their length behind a random offset, so that each has known rows on both sides.

    Args:
        present: (N,) where a value is there.
        share: of those, at most half.
        length: rows of a block.
        random: draws the blocks.
    """
    import numpy as np

    mask = np.zeros(len(present), bool)
    offset = int(random.integers(1, 2 * length + 1))
    starts = np.arange(offset, len(present) - length, 2 * length)
    wanted = max(1, round(share * len(present) / length))
    for start in random.permutation(starts)[:wanted]:
        mask[start : start + length] = True
    return mask & present
