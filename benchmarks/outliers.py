"""Outliers in the labelled sets of ADBench: area under the ROC curve of `auto` beside single methods."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from benchmarks.data import mirror
from benchmarks.measure import Figure

Array = np.ndarray[Any, np.dtype[np.float64]]

OURS = ("zscore", "mad", "iqr", "isolation_forest", "local_outlier_factor", "auto")


def sets() -> dict[str, tuple[Array, Array]]:
    """By name the values (N, C) and labels (N,) of each set."""
    found: dict[str, tuple[Array, Array]] = {}
    for path in sorted(mirror("adbench").glob("*.npz")):
        with np.load(path, allow_pickle=False) as content:
            found[path.stem] = content["X"].astype(np.float64), content["y"].astype(np.float64)
    return found


def _ours(method: str) -> Callable[[Array], Array]:
    def scores(values: Array) -> Array:
        from ops.cleaning.outliers import Outliers

        table = pl.DataFrame(values, schema=[f"c{k}" for k in range(values.shape[1])])
        step = Outliers.model_validate({"columns": table.columns, "method": method})
        return step.score(table, step.fit(table, 0))

    return scores


def _peers() -> dict[str, Callable[[Array], Array]]:
    """scikit-learn's detectors as they come, on all rows; where units matter on standardised columns too."""
    from sklearn.covariance import EllipticEnvelope
    from sklearn.ensemble import IsolationForest
    from sklearn.neighbors import LocalOutlierFactor
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import OneClassSVM

    def factor(values: Array) -> Array:
        return np.asarray(-LocalOutlierFactor().fit(values).negative_outlier_factor_)

    def machine(values: Array) -> Array:
        return np.asarray(-OneClassSVM().fit(values).score_samples(values))

    def on_scale(detector: Callable[[Array], Array]) -> Callable[[Array], Array]:
        return lambda values: detector(StandardScaler().fit_transform(values))

    return {
        "IsolationForest": lambda v: np.asarray(-IsolationForest(random_state=0).fit(v).score_samples(v)),
        "EllipticEnvelope": lambda v: np.asarray(-EllipticEnvelope(random_state=0).fit(v).score_samples(v)),
        "LocalOutlierFactor": factor,
        "LocalOutlierFactor, standardised": on_scale(factor),
        "OneClassSVM": machine,
        "OneClassSVM, standardised": on_scale(machine),
    }


def outliers(repeats: int) -> list[Figure]:
    """Mean area under the ROC curve over the sets, of each method."""
    from sklearn.metrics import roc_auc_score

    data = sets()
    detectors = {**{method: _ours(method) for method in OURS}, **_peers()}
    areas: dict[str, dict[str, float]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, detect in detectors.items():
            areas[name] = {key: float(roc_auc_score(y, detect(x))) for key, (x, y) in data.items()}
    means = {name: float(np.mean(list(each.values()))) for name, each in areas.items()}
    best = max(mean for name, mean in means.items() if name not in OURS)
    goal = f"≥ {best - 0.01:.3f}"
    return [
        Figure(
            f"outliers of {len(data)} sets, mean ROC AUC: {name}",
            mean,
            "",
            goal if name == "auto" else "",
            mean >= best - 0.01 if name == "auto" else None,
            {"by_set": {key: round(area, 3) for key, area in areas[name].items()}},
        )
        for name, mean in means.items()
    ]
