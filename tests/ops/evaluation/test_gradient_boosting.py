"""Gradient boosting on lags: its features one by one, and that it finds what there is to find."""

from __future__ import annotations

import numpy as np
import pytest

from ops.errors import BadData
from ops.evaluation.baselines.base import Stretches
from ops.evaluation.baselines.gradient_boosting import GradientBoosting


def test_features_are_those_that_are_named() -> None:
    values = np.arange(2 * 5 * 2, dtype=np.float32).reshape(2, 5, 2)
    found = GradientBoosting(lags=2).features(values, past=1, horizon=3)
    assert found.shape == (6, 2 + 3 + 2 + 2 + 2)
    for row in range(2):
        series, lately = values[row, :, 1], values[row, 2:]
        for ahead in (1, 2, 3):
            window = lately[:, 1]
            expected = [*series[3:], window.mean(), window.min(), window.max(), *values[row, 4], *lately.mean(axis=0)]
            np.testing.assert_allclose(found[3 * row + ahead - 1], [*expected, series[5 - 3 + ahead - 1], ahead])


def test_it_learns_what_persistence_cannot_know() -> None:
    """The second feature is how much the first grows at each step."""
    random = np.random.default_rng(0)
    slope, start = random.integers(-3, 4, 600).astype(np.float32), random.normal(0, 5, 600)
    steps = start[:, None] + slope[:, None] * np.arange(8)
    values = np.stack([steps[:, :6], np.repeat(slope[:, None], 6, axis=1)], axis=2).astype(np.float32)
    truth = steps[:, 6:]
    truth[::7, 0] = np.nan
    given = [Stretches(values[part], 0, 2) for part in (slice(400), slice(400, None))]
    found = GradientBoosting(trees=60).fit_predict(given[0], truth[:400], given[1])
    error = np.nanmean(np.abs(found.predictions - truth[400:]))
    assert found.predictions.shape == (200, 2)
    assert error < 0.4 * np.nanmean(np.abs(values[400:, -2:, 0] - truth[400:]))
    again = GradientBoosting(trees=60).fit_predict(given[0], truth[:400], given[1])
    np.testing.assert_array_equal(found.predictions, again.predictions)
    assert found.cost.parameters and found.note == ""
    assert (
        "Fitted on 50 of 400" in GradientBoosting(trees=1, rows=100).fit_predict(given[0], truth[:400], given[1]).note
    )


def test_texts_are_no_series() -> None:
    with pytest.raises(BadData, match="reads stretches"):
        GradientBoosting().fit_predict(["a"], np.zeros(1, np.int64), ["b"])
