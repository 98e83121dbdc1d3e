from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, RobustScaler, StandardScaler

from ops.errors import BadData, ConfigError
from ops.normalization.rescale import Rescale
from ops.normalization.scaling import Method, learned_scale, unscaled
from ops.steps import Facts

NUMBERS = arrays(
    np.float64, st.integers(1, 40), elements=st.floats(-1e6, 1e6).filter(lambda v: v == 0 or abs(v) > 1e-3)
)
METHODS = ("minmax", "zscore", "decimal", "robust", "log")
PEERS = {
    "minmax": MinMaxScaler,
    "zscore": StandardScaler,
    "robust": RobustScaler,
    "log": lambda: FunctionTransformer(lambda x: np.sign(x) * np.log1p(np.abs(x))),
}


def table(values: Any, split: Any = None) -> pl.DataFrame:
    found = pl.DataFrame({"id": [str(k) for k in range(len(values))], "x": pl.Series(values, dtype=pl.Float64)})
    return found if split is None else found.with_columns(pl.Series("split", split))


@given(NUMBERS, st.sampled_from(sorted(PEERS)))
def test_scales_are_those_of_scikit_learn(values: Any, method: str) -> None:
    step = Rescale.model_validate({"columns": ["x"], "method": method})
    found = step.apply(table(values), Facts("p")).kept["x"].to_numpy()
    expected = PEERS[method]().fit_transform(values[:, None])[:, 0]
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-7)


@given(NUMBERS)
def test_decimal_scaling_leaves_all_below_one_and_no_lower_power_does(values: Any) -> None:
    step = Rescale(columns=["x"], method="decimal")
    scale = step.fit(table(values), 0)["columns"]["x"]["spread"]
    largest = np.abs(values).max()
    assert largest / scale < 1 and (scale == 1 or largest / (scale / 10) >= 1)
    assert str(int(scale)).strip("0") == "1"


@given(NUMBERS, NUMBERS, st.sampled_from(METHODS))
def test_what_is_scaled_comes_back(train: Any, other: Any, method: str) -> None:
    step = Rescale.model_validate({"columns": ["x"], "method": method})
    learned = step.fit(table(train), 0)
    there = step.use(table(other), learned).kept
    size = max(1.0, float(np.abs(train).max()))
    assert step.invert(there, learned)["x"].to_numpy() == pytest.approx(other, rel=1e-9, abs=1e-9 * size)
    # A model's predictions are arrays, in processes that know no table.
    assert unscaled(there["x"].to_numpy(), learned["columns"]["x"]) == pytest.approx(other, rel=1e-9, abs=1e-9 * size)


@pytest.mark.parametrize("method", METHODS)
def test_it_is_learned_from_the_training_rows_only(method: str) -> None:
    rows = table([1.0, 2.0, 4.0, 900.0, None], ["train", "train", "train", "test", "valid"])
    step = Rescale.model_validate({"columns": ["x"], "method": method})
    assert step.apply(rows, Facts("p")).kept["x"].to_list()[:3] == pytest.approx(
        step.apply(rows[:3], Facts("p")).kept["x"].to_list()
    )
    assert step.fit(rows[:3], 0) == step.fit(rows[[2, 0, 1]], 0)


def test_nulls_stay_and_changes_are_counted() -> None:
    outcome = Rescale(columns=["x"], method="minmax").apply(table([1.0, None, 3.0]), Facts("p"))
    assert outcome.kept["x"].to_list() == [0.0, None, 1.0] and outcome.changed == {"x": 2}


def test_integers_become_numbers() -> None:
    rows = table([1, 3]).with_columns(pl.col("x").cast(pl.Int8))
    assert Rescale(columns=["x"], method="decimal").apply(rows, Facts("p")).kept["x"].to_list() == [0.1, 0.3]


def test_what_cannot_be_scaled() -> None:
    with pytest.raises(ConfigError, match="column 'x' is String, which is no number"):
        Rescale(columns=["x"]).apply(table([1.0]).with_columns(pl.col("x").cast(pl.String)), Facts("p"))
    with pytest.raises(BadData, match="no finite value in any training row"):
        Rescale(columns=["x"]).apply(table([None, float("inf")]), Facts("p"))
    with pytest.raises(ConfigError, match="no column 'y'"):
        Rescale(columns=["y"]).apply(table([1.0]), Facts("p"))


def test_constants_that_differ_by_rounding_are_constants() -> None:
    for value in (0.1, 0.7, 1e9 + 0.1):
        methods: tuple[Method, ...] = ("minmax", "zscore", "robust")
        for method in methods:
            rows = np.array([value] * 9 + [np.nextafter(value, 2 * value)])
            assert learned_scale(rows, method)["spread"] == 1.0, (value, method)
            assert learned_scale(np.full(9, value), method) == {"log": False, "centre": value, "spread": 1.0}


@pytest.mark.parametrize("method", ["minmax", "zscore", "decimal", "robust"])
def test_very_large_values_are_scaled_or_named(method: str) -> None:
    step = Rescale.model_validate({"columns": ["x"], "method": method})
    rows = pl.DataFrame({"id": list("abcd"), "x": [1e307, -1e307, 1e307, 1.0]})
    kept = step.apply(rows, Facts("p")).kept["x"]
    assert kept.is_finite().all() and kept.max() > 0.05 and kept.max() < 10  # type: ignore[operator]
    assert step.invert(pl.DataFrame({"x": kept}), step.fit(rows, 0))["x"].to_list() == pytest.approx(
        rows["x"].to_list(), rel=1e-9, abs=1e293
    )
    too_large = rows.with_columns(x=pl.Series([1.7e308, -1.7e308, 1.7e308, -1.7e308]))
    if method == "zscore":
        assert step.apply(too_large, Facts("p")).kept["x"].to_list() == pytest.approx([1, -1, 1, -1])
    else:
        with pytest.raises(BadData, match=f"column 'x' has values too large for {method}"):
            step.apply(too_large, Facts("p"))
