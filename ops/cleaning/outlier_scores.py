"""How unlike the training rows a row is: scores of single columns, of whole rows, and of several methods together."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from ops.cleaning.sampling import content_hashes
from ops.moments import mean_and_deviation, shrink, spread_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Method = Literal["zscore", "mad", "iqr", "isolation_forest", "local_outlier_factor"]

BY_COLUMN: tuple[Method, ...] = ("zscore", "mad", "iqr")
BY_ROW: tuple[Method, ...] = ("isolation_forest", "local_outlier_factor")

_FAR = 1e6
"""Standard deviations beyond which everything is as far: infinities have a place too."""


def summary(values: NDArray[np.float64]) -> dict[str, float]:
    """Mean, deviation, median, median absolute deviation and quartiles of the finite ones among values (N,)."""
    import numpy as np

    # Sorted, so that the last bit of a sum does not depend on the order of the partitions.
    known = np.sort(values[np.isfinite(values)])
    mean, std = mean_and_deviation(known)
    factor = float(shrink(known[0], known[-1]))
    small = known * factor
    first, median, third = np.quantile(small, (0.25, 0.5, 0.75))
    mad = spread_of(float(np.median(np.abs(small - median))), median, median)
    found = {"median": median, "mad": mad, "first": first, "third": third}
    # A deviation may be beyond all numbers, where values lie at both of their ends.
    most = sys.float_info.max
    return {"mean": mean, "std": std, **{name: float(min(value / factor, most)) for name, value in found.items()}}


def column_scores(
    values: NDArray[np.float64], summaries: Sequence[Mapping[str, float]], method: Method
) -> NDArray[np.float64]:
    """(N, C) how far each value lies from its column's middle, in the method's unit; 0 where it is missing.

    A column without any spread scores zero everywhere.
    """
    import numpy as np

    get = {name: np.array([each[name] for each in summaries]) for name in summaries[0]}
    factor = shrink(*get.values())
    get, values = {name: each * factor for name, each in get.items()}, values * factor
    spread = {"zscore": get["std"], "mad": get["mad"], "iqr": get["third"] - get["first"]}[method]
    rounding = 8 * np.spacing(np.maximum(np.abs(get["first"]), np.abs(get["third"])))
    spread = np.where((method == "iqr") & (spread <= rounding), 0.0, spread)
    with np.errstate(invalid="ignore", divide="ignore"):
        if method == "zscore":
            scores = np.abs(values - get["mean"]) / spread
        elif method == "mad":
            scores = 0.6745 * np.abs(values - get["median"]) / spread
        else:
            beyond = np.maximum(get["first"] - values, values - get["third"])
            scores = np.maximum(beyond, 0.0) / spread
    return np.where(np.isnan(values) | (spread == 0), 0.0, scores)


def standardised(values: NDArray[np.float64], summaries: Sequence[Mapping[str, float]]) -> NDArray[np.float64]:
    """(N, C) the columns by mean and deviation, what is missing at the median: as the methods by row see them."""
    import numpy as np

    median, mean, std = (np.array([each[name] for each in summaries]) for name in ("median", "mean", "std"))
    plain = np.where(np.isnan(values), median, values)
    factor = shrink(median, mean, std)
    plain, mean, std = plain * factor, mean * factor, std * factor
    return np.asarray(np.clip((plain - mean) / np.where(std > 0, std, 1.0), -_FAR, _FAR))


class Scorer:
    """Row scores by each of several methods, from what was learned.

    Args:
        summaries: of each column.
        sample: (M, C) training rows, NaN where a value is missing.
        neighbours: rows that the local outlier factor compares with.
    """

    def __init__(self, summaries: Sequence[Mapping[str, float]], sample: NDArray[np.float64], neighbours: int) -> None:
        self._summaries = summaries
        self._rows = sample
        self._sample = standardised(sample, summaries)
        self._neighbours = min(neighbours, len(sample) - 1)

    def scores(self, values: NDArray[np.float64], method: Method) -> NDArray[np.float64]:
        """(N,) the higher the more unlike; for methods by column the mean over the columns."""
        import numpy as np

        if method in BY_COLUMN:
            found: NDArray[np.float64] = column_scores(values, self._summaries, method).clip(max=_FAR).mean(axis=1)
            return found
        if self._neighbours < 1 or not len(values):
            return np.zeros(len(values))
        rows = standardised(values, self._summaries)
        return self._isolation(rows) if method == "isolation_forest" else self._factor(rows)

    def ranks(self, values: NDArray[np.float64], method: Method) -> NDArray[np.float64]:
        """(N,) the share of the sample that scores lower, what scores the same counted half."""
        import numpy as np

        return ranks(self.scores(values, method), np.sort(self.scores(self._rows, method)))

    def _isolation(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Between 0 and 1 (Liu, Ting and Zhou, 2008)."""
        scores: NDArray[np.float64] = -self._forest.score_samples(rows)
        return scores

    @cached_property
    def _forest(self) -> Any:
        from sklearn.ensemble import IsolationForest

        return IsolationForest(random_state=0).fit(self._sample)

    @cached_property
    def _density(self) -> Any:
        from sklearn.neighbors import LocalOutlierFactor

        return LocalOutlierFactor(n_neighbors=self._neighbours, novelty=True).fit(self._sample)

    def _factor(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """About 1 for a row as dense as its neighbours (Breunig et al., 2000)."""
        import numpy as np

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # About equal rows, whose factor may be huge.
            model = self._density
            # A row of the sample would be its own nearest neighbour; the fit has its factor among the others.
            index = _places(rows, self._sample)
            scores = np.empty(len(rows))
            inside = index >= 0
            scores[inside] = -model.negative_outlier_factor_[index[inside]]
            if not inside.all():
                scores[~inside] = -model.score_samples(rows[~inside])
        # Not cut: beside many equal rows all others have huge factors, and must not tie.
        return np.asarray(np.nan_to_num(scores, nan=1.0))


def _places(rows: NDArray[np.float64], among: NDArray[np.float64]) -> NDArray[np.int64]:
    """(N,) where each row first stands `among` others (M, C); -1 where it does not."""
    import numpy as np

    known = content_hashes(among)
    order = np.argsort(known, kind="stable")
    place = np.searchsorted(known[order], content_hashes(rows)).clip(max=len(known) - 1)
    index = order[place]
    return np.where((among[index] == rows).all(axis=1), index, -1)


def ranks(scores: NDArray[np.float64], among: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) the share of the sorted scores `among` (M,) that lie below, those that are equal counted half."""
    import numpy as np

    low, high = np.searchsorted(among, scores, "left"), np.searchsorted(among, scores, "right")
    return (low + high) / (2.0 * len(among))
