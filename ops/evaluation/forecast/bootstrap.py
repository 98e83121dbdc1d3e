"""Seeded bootstrap of forecast errors over whole weeks, for several forecasts on the same resamples.

Forecasts of neighbouring hours are nearly the same, so that rows are not independent draws. Whole blocks of time are
drawn with replacement instead (Künsch, 1989); what a block adds to an error is a sum, so that no row is touched again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """Errors of one forecast: of all rows, and of each resample.

    Attributes:
        mae: mean absolute error.
        mse: mean squared error.
        drawn_mae: (resamples,).
        drawn_mse: (resamples,).
    """

    mae: float
    mse: float
    drawn_mae: Numbers
    drawn_mse: Numbers


def resample_errors(
    truth: Numbers, systems: Mapping[str, Numbers], blocks: NDArray[np.int64], *, resamples: int, seed: int
) -> dict[str, Errors]:
    """Errors of every forecast over the steps whose truth is known.

    Args:
        truth: (rows, horizon), NaN where it is not known.
        systems: forecasts by name, each (rows, horizon).
        blocks: (rows,) the block of time that each is of.
        resamples: how many resamples to draw.
        seed: the same seed draws the same blocks.
    """
    _, place = np.unique(blocks, return_inverse=True)
    count = int(place.max()) + 1
    known = ~np.isnan(truth)
    rows = np.bincount(place, known.sum(axis=1), count)
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    # A resample of blocks without any known step judges nothing: it counts as all of them.
    drawn[drawn @ rows == 0] = 1
    found = {}
    for name, said in systems.items():
        errors = np.where(known, np.abs(said - np.nan_to_num(truth)), 0.0)
        sums = [np.bincount(place, (errors**power).sum(axis=1), count) for power in (1, 2)]
        mae, mse = (float(part.sum() / rows.sum()) for part in sums)
        drawn_mae, drawn_mse = (drawn @ part / (drawn @ rows) for part in sums)
        found[name] = Errors(mae, mse, drawn_mae, drawn_mse)
    return found
