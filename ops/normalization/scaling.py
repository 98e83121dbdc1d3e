"""Numbers brought to a scale and back: `(x - centre) / spread`, or a logarithm that keeps the sign."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from ops.moments import mean_and_deviation, shrink, spread_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Method = Literal["minmax", "zscore", "decimal", "robust", "log"]


def learned_scale(values: NDArray[np.float64], method: Method) -> dict[str, Any]:
    """Centre and spread of the finite ones among values (N,); a spread of zero, or of rounding, counts as one.

    A spread that float64 cannot hold is infinite.
    """
    import numpy as np

    # Sorted, so that the last bit of a sum does not depend on the order of the partitions.
    known = np.sort(values[np.isfinite(values)])
    centre, spread = 0.0, 1.0
    if method == "zscore":
        centre, spread = mean_and_deviation(known)
    elif method in ("minmax", "robust"):
        factor = float(shrink(known[0], known[-1]))
        low, middle, high = np.quantile(known * factor, (0.0, 0.5, 1.0) if method == "minmax" else (0.25, 0.5, 0.75))
        centre = (low if method == "minmax" else middle) / factor
        with np.errstate(over="ignore"):
            spread = spread_of((high - low) / factor, low / factor, high / factor)
    elif method == "decimal":
        spread = _power_above(max(abs(known[0]), abs(known[-1])))
    return {"log": method == "log", "centre": float(centre), "spread": float(spread) or 1.0}


def _power_above(largest: float) -> float:
    """The smallest power of ten above a number, at least one."""
    power = 0
    while power <= sys.float_info.max_10_exp and 10.0**power <= largest:
        power += 1
    return 10.0**power if power <= sys.float_info.max_10_exp else float("inf")


def scaled(values: NDArray[np.float64], scale: Mapping[str, Any]) -> NDArray[np.float64]:
    """The values on the scale."""
    import numpy as np

    if scale["log"]:
        return np.asarray(np.sign(values) * np.log1p(np.abs(values)), np.float64)
    factor = float(shrink(scale["centre"], scale["spread"]))
    found = (values * factor - scale["centre"] * factor) / (scale["spread"] * factor)
    return np.asarray(found, np.float64)


def unscaled(values: NDArray[np.float64], scale: Mapping[str, Any]) -> NDArray[np.float64]:
    """What `scaled` made these values of; of a prediction, what it says in the column's own unit."""
    import numpy as np

    log = scale["log"]
    found = np.sign(values) * np.expm1(np.abs(values)) if log else values * scale["spread"] + scale["centre"]
    return np.asarray(found, np.float64)
