from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import rankdata, zscore
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.preprocessing import StandardScaler

from ops.cleaning.outlier_scores import BY_ROW, column_scores, ranks, summary
from ops.cleaning.outliers import Outliers
from ops.errors import BadData, ConfigError
from ops.steps import Facts, Outcome

NUMBERS = st.lists(st.floats(-1e4, 1e4).map(lambda v: round(v, 3)), min_size=2, max_size=40)
METHODS = ("zscore", "mad", "iqr", "isolation_forest", "local_outlier_factor", "auto")


def table(**columns: Any) -> pl.DataFrame:
    found = pl.DataFrame(columns)
    return found.with_columns(pl.int_range(pl.len()).cast(pl.String).alias("id"))


def apply(rows: pl.DataFrame, **settings: Any) -> Outcome:
    return Outliers.model_validate({"columns": ["x"], **settings}).apply(rows, Facts("p"))


@given(NUMBERS)
def test_scores_of_columns_are_those_of_the_formulas(values: list[float]) -> None:
    x = np.array(values)
    found = summary(x)
    score = {m: column_scores(x[:, None], [found], m)[:, 0] for m in ("zscore", "mad", "iqr")}
    if x.std() > 1e-6:
        assert score["zscore"] == pytest.approx(np.abs(zscore(x)), rel=1e-6, abs=1e-6)
    middle = (
        sorted(values)[len(values) // 2] if len(values) % 2 else sum(sorted(values)[len(values) // 2 - 1 :][:2]) / 2
    )
    apart = sorted(abs(v - middle) for v in values)
    mad = apart[len(values) // 2] if len(values) % 2 else (apart[len(values) // 2 - 1] + apart[len(values) // 2]) / 2
    if mad > 1e-6:
        assert score["mad"] == pytest.approx([0.6745 * abs(v - middle) / mad for v in values], rel=1e-6)
    first, third = np.percentile(x, 25), np.percentile(x, 75)
    if third - first > 1e-6:
        expected = [max(first - v, v - third, 0) / (third - first) for v in values]
        assert score["iqr"] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_a_column_without_spread_has_no_outliers() -> None:
    rows = table(x=[5.0] * 9 + [6.0])
    assert apply(rows, method="mad").kept.height == 10 and apply(rows, method="iqr").kept.height == 10
    assert apply(table(x=[5.0] * 10), method="zscore").kept.height == 10


def test_the_worst_column_is_the_reason_and_value_and_score_the_evidence() -> None:
    rows = table(x=[*map(float, range(1, 11)), 70.0, None], y=[*map(float, range(1, 11)), 1.0, -1000.0])
    outcome = apply(rows, columns=["x", "y"], method="mad")
    assert outcome.kept.height == 10
    assert outcome.dropped.rows() == [
        ("10", "outliers", "x", f"70.0 scores {round(0.6745 * (70 - 6) / 3, 3)}"),
        ("11", "outliers", "y", f"-1000.0 scores {round(0.6745 * (1000 + 4.5) / 3, 3)}"),
    ]


def test_only_the_value_becomes_null() -> None:
    rows = table(x=[*range(1, 11), 70], y=[*range(1, 12)])
    outcome = apply(rows, columns=["x", "y"], method="mad", action="null")
    assert outcome.dropped.is_empty() and outcome.changed == {"x": 1}
    assert outcome.kept["x"].to_list() == [*range(1, 11), None] and outcome.kept["x"].dtype == pl.Int64
    assert outcome.kept["y"].to_list() == rows["y"].to_list()


def test_thresholds() -> None:
    rows = table(x=[*range(1, 11), 25])
    score = column_scores(np.array([[25.0]]), [summary(rows["x"].to_numpy().astype(float))], "iqr").item()
    assert apply(rows, method="iqr", threshold=score - 1e-6).kept.height == 10
    assert apply(rows, method="iqr", threshold=score).kept.height == 11


def clouds(seed: int = 0, rows: int = 1000) -> tuple[pl.DataFrame, np.ndarray[Any, Any]]:
    """Two tight clouds of another scale in each column, and a few rows between and beyond them."""
    random = np.random.default_rng(seed)
    x = np.concatenate([random.normal(-3, 0.3, (rows // 2, 2)), random.normal(3, 0.3, (rows // 2, 2))])
    odd = random.uniform(-9, 9, (20, 2))
    data = np.concatenate([x, odd]) * [1, 1000]
    return table(x=data[:, 0], y=data[:, 1]), np.array([0] * rows + [1] * 20)


def test_methods_by_row_are_those_of_scikit_learn() -> None:
    rows, _ = clouds()
    scaled = StandardScaler().fit_transform(rows.select("x", "y").to_numpy())
    step = Outliers(columns=["x", "y"], method="local_outlier_factor")
    found = step.score(rows, step.fit(rows, 0))
    assert found == pytest.approx(-LocalOutlierFactor().fit(scaled).negative_outlier_factor_, rel=1e-6)
    step = Outliers(columns=["x", "y"], method="isolation_forest")
    found = step.score(rows, step.fit(rows, 0))
    # The forest draws its rows by place, and they are learned in the order of their content.
    expected = -IsolationForest(random_state=0).fit(scaled).score_samples(scaled)
    assert np.corrcoef(rankdata(found), rankdata(expected))[0, 1] > 0.95


def test_new_rows_are_scored_as_novelties() -> None:
    rows, _ = clouds()
    step = Outliers(columns=["x", "y"], method="local_outlier_factor")
    scaler = StandardScaler().fit(rows.select("x", "y").to_numpy())
    model = LocalOutlierFactor(novelty=True).fit(scaler.transform(rows.select("x", "y").to_numpy()))
    new = table(x=[0.0, -3.01], y=[0.0, -3010.0])
    expected = -model.score_samples(scaler.transform(new.select("x", "y").to_numpy()))
    assert step.score(new, step.fit(rows, 0)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("method", ["isolation_forest", "local_outlier_factor", "auto"])
def test_about_the_share_of_the_training_rows_goes(method: str) -> None:
    rows, odd = clouds()
    outcome = apply(rows, columns=["x", "y"], method=method, share=0.02)
    assert 10 <= outcome.dropped.height <= 25
    assert set(outcome.dropped["reason"]) == {method}
    hits = sum(odd[int(i)] for i in outcome.dropped["id"])
    assert hits >= 0.7 * outcome.dropped.height


def test_auto_finds_what_single_methods_miss() -> None:
    rows, odd = clouds()
    area = {}
    for method in METHODS:
        step = Outliers.model_validate({"columns": ["x", "y"], "method": method})
        area[method] = roc_auc_score(odd, step.score(rows, step.fit(rows, 0)))
    assert area["zscore"] < 0.9 < area["auto"]


@given(st.lists(st.integers(0, 9), min_size=1), st.lists(st.integers(0, 9), min_size=1))
def test_ranks(scores: list[int], among: list[int]) -> None:
    expected = [(sum(a < s for a in among) + sum(a == s for a in among) / 2) / len(among) for s in scores]
    assert ranks(np.array(scores, float), np.sort(np.array(among, float))) == pytest.approx(expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("action", ["drop", "null"])
def test_missing_values_stay_and_infinities_go(method: str, action: str) -> None:
    rows, _ = clouds(rows=200)
    rows = pl.concat([rows, rows[:2].with_columns(pl.Series("x", [None, float("inf")]), pl.Series("id", ["n", "i"]))])
    outcome = apply(rows, columns=["x", "y"], method=method, action=action, share=0.1)
    # To methods by row it is at the median, which may be an odd place.
    kept = outcome.kept.filter(pl.col("id") == "n")["x"].to_list()
    assert kept == [None] or (kept == [] and method in BY_ROW)
    infinite = outcome.kept.filter(pl.col("id") == "i")
    assert infinite.is_empty() if action == "drop" else infinite["x"].to_list() == [None]
    assert outcome.kept.height + outcome.dropped.height == rows.height


@pytest.mark.parametrize("method", METHODS)
def test_it_is_learned_from_the_training_rows_in_any_order(method: str) -> None:
    rows, _ = clouds(rows=200)
    step = Outliers.model_validate({"columns": ["x", "y"], "method": method, "sample": 100})
    learned = step.fit(rows, 0)
    assert learned == step.fit(rows.sample(fraction=1.0, shuffle=True, seed=1), 0)
    split = pl.concat(
        [rows.with_columns(split=pl.lit("train")), rows.with_columns(pl.col("x") + 1e5, split=pl.lit("test"))]
    )
    found = step.apply(split, Facts("p"))
    assert found.dropped.equals(step.use(split, learned).dropped)
    assert method == "isolation_forest" or found.kept.filter(pl.col("split") == "test").is_empty()


def test_constant_and_few_rows() -> None:
    for method in METHODS:
        assert apply(table(x=[1.0]), method=method).kept.height == 1
        assert apply(table(x=[1.0] * 50), method=method).kept.height == 50


@pytest.mark.parametrize("method", METHODS)
def test_one_very_large_value_is_found(method: str) -> None:
    for odd in (1e308, -1.7e308):
        outcome = apply(table(x=[*(float(k % 7) for k in range(60)), odd]), method=method, share=0.02)
        assert "60" in outcome.dropped["id"], (method, odd)
        assert outcome.kept.height >= 58
    # The ends of float64 at once: nothing overflows into an outlier.
    assert apply(table(x=[1e308, -1e308] * 30), method=method, share=0.02).kept.height == 60


def test_rounding_is_no_spread() -> None:
    for value in (0.1, 0.7, 1e9 + 0.1):
        rows = table(x=[value, np.nextafter(value, 2 * value)] * 20 + [value * (1 + 4e-16)])
        for method in METHODS[:3]:
            assert apply(rows, method=method).kept.height == 41, (value, method)


def test_outliers_beside_many_equal_rows_do_not_tie() -> None:
    rows = table(x=[0.0] * 280 + [float(k) for k in range(20)], y=[0.0] * 300)
    outcome = apply(rows, columns=["x", "y"], method="local_outlier_factor", share=0.05)
    assert 5 <= outcome.dropped.height <= 15 and set(outcome.dropped["id"].cast(int)) <= set(range(281, 300))


@pytest.mark.parametrize("method", ["isolation_forest", "local_outlier_factor", "auto"])
def test_the_limit_is_at_the_share_of_the_training_rows(method: str) -> None:
    rows, _ = clouds()
    step = Outliers.model_validate({"columns": ["x", "y"], "method": method, "share": 0.05})
    scores = step.score(rows, step.fit(rows, 0))
    beyond = int((scores > np.quantile(scores, 0.95)).sum())
    assert apply(rows, columns=["x", "y"], method=method, share=0.05).dropped.height == pytest.approx(beyond, abs=2)
    assert beyond > 40


def test_what_cannot_be_looked_at() -> None:
    with pytest.raises(ConfigError, match="column 'x' is String, which is no number"):
        apply(table(x=["a"]))
    with pytest.raises(BadData, match="no finite value in any training row"):
        apply(table(x=[None, float("nan")]).with_columns(pl.col("x").cast(pl.Float64)))
    with pytest.raises(ValidationError, match="isolation_forest has no threshold, but a share"):
        Outliers(columns=["x"], method="isolation_forest", threshold=3.0)


@pytest.mark.mirror
@pytest.mark.slow
def test_auto_is_near_the_best_single_method(mirror: Path) -> None:
    from benchmarks.outliers import outliers

    assert [figure.met for figure in outliers(1) if figure.met is not None] == [True]
