"""Mean and spread of numbers up to the ends of float64, and of constants that differ by rounding only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_LARGE = 1e150
"""Beyond it a square may overflow."""
_ROUNDING = 8
"""Units in the last place of the largest value: what is spread less is a constant."""


def shrink(*magnitudes: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """A power of two for each place, 1 but where a magnitude is so large that sums or differences may overflow."""
    import numpy as np

    largest = np.max([np.abs(np.broadcast_arrays(*magnitudes))[place] for place in range(len(magnitudes))], axis=0)
    return np.where(largest > _LARGE, 2.0**-600, 1.0)


def mean_and_deviation(known: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard deviation (of the population) of finite, sorted numbers (N,); a constant deviates by zero."""
    factor = float(shrink(known[0], known[-1]))
    small = known * factor
    mean, deviation = float(small.mean()) / factor, float(small.std()) / factor
    if known[0] == known[-1]:
        return float(known[0]), 0.0
    return mean, spread_of(deviation, known[0], known[-1])


def spread_of(spread: float, low: float, high: float) -> float:
    """The spread of numbers that lie between two (or have most of them there), or zero where it is but rounding."""
    import numpy as np

    largest = max(abs(float(low)), abs(float(high)))
    return 0.0 if spread <= _ROUNDING * float(np.spacing(largest)) else float(spread)
