"""Gradient-boosted trees on lags, as forecasts of tables are mostly made."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ops.errors import BadData
from ops.evaluation.baselines.base import Baseline, Guess, Inputs, Stretches
from ops.evaluation.baselines.machines import evenly
from ops.evaluation.metrics import Labels

Numbers = NDArray[np.float32]


class GradientBoosting(Baseline):
    """Histogram-based gradient boosting of scikit-learn on lag features (Friedman, 2001; Ke et al., 2017).

    One model for all steps ahead, with the step as a feature. The others: the last steps of the past, the step one
    horizon before the one that is forecast (what persistence says), mean, least and greatest of the past over one
    horizon, and of every feature the last value and its mean over one horizon.
    """

    applies_to: ClassVar[frozenset[str]] = frozenset({"series"})
    title: ClassVar[str] = "Gradient boosting"
    needs: ClassVar[tuple[str, ...]] = ("sklearn.ensemble",)

    kind: Literal["gradient_boosting"] = "gradient_boosting"
    """Gradient-boosted trees on lags."""
    trees: int = Field(default=200, ge=1, le=10_000)
    """Number of trees."""
    leaves: int = Field(default=31, ge=2, le=1024)
    """Most leaves of a tree."""
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    """Share of each tree that counts."""
    loss: Literal["squared_error", "absolute_error"] = "absolute_error"
    """What the trees make small: the absolute error, by which the report judges, or the squared one."""
    lags: int = Field(default=4, ge=1, le=1000)
    """Last steps of the past that are features of their own."""
    rows: int = Field(default=200_000, ge=100)
    """Fit on at most so many steps ahead, of training rows that lie evenly."""

    def _guess(self, train_inputs: Inputs, labels: Labels, test_inputs: Inputs) -> Guess:
        if not isinstance(train_inputs, Stretches) or not isinstance(test_inputs, Stretches):
            raise BadData(f"{self.title}: reads stretches of a series")
        from sklearn.ensemble import HistGradientBoostingRegressor

        chosen = evenly(len(train_inputs), max(1, self.rows // train_inputs.horizon))
        features = self.features(train_inputs.values[chosen], train_inputs.past, train_inputs.horizon)
        truth = np.asarray(labels, np.float64)[chosen].ravel()
        known = ~np.isnan(truth)
        machine = HistGradientBoostingRegressor(
            loss=self.loss,
            max_iter=self.trees,
            max_leaf_nodes=self.leaves,
            learning_rate=self.learning_rate,
            early_stopping=False,
            random_state=0,
        ).fit(features[known], truth[known])
        said = machine.predict(self.features(test_inputs.values, test_inputs.past, test_inputs.horizon))
        fewer = len(chosen) < len(train_inputs)
        return Guess(
            said.reshape(len(test_inputs), test_inputs.horizon),
            parameters=int(sum(len(tree.nodes) for stage in machine._predictors for tree in stage)),
            flops=2.0 * int(known.sum()) * features.shape[1] * self.trees * float(np.log2(self.leaves)),
            flops_how="about 2 x rows x features x trees x levels",
            note=f"Fitted on {len(chosen):,} of {len(train_inputs):,} training rows." if fewer else "",
        )

    def features(self, values: Numbers, past: int, horizon: int) -> Numbers:
        """(rows · horizon, features) of stretches (rows, history, F), the steps ahead of each row together."""
        series, lately = values[:, :, past], values[:, -horizon:]
        lags = series[:, -min(self.lags, series.shape[1]) :]
        window = lately[:, :, past]
        spread = np.stack([window.mean(axis=1), window.min(axis=1), window.max(axis=1)], axis=1)
        fixed = np.concatenate([lags, spread, values[:, -1], lately.mean(axis=1)], axis=1)
        ahead = np.tile(np.arange(1, horizon + 1, dtype=np.float32), len(values))[:, None]
        return np.concatenate([np.repeat(fixed, horizon, axis=0), window.reshape(-1, 1), ahead], axis=1)
