import datetime as dt
import math
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.preprocessing import StandardScaler

from ops.cleaning.impute import Impute
from ops.errors import BadData, ConfigError, IntegrityError
from ops.steps import Facts, Outcome

Number = float | None


def impute(table: pl.DataFrame, **settings: Any) -> Outcome:
    if "id" not in table.columns:
        table = table.with_columns(pl.int_range(pl.len()).cast(pl.String).alias("id"))
    return Impute.model_validate(settings).apply(table, Facts("p"))


def column(values: list[Any], dtype: Any = None, **settings: Any) -> list[Any]:
    table = pl.DataFrame({"c": pl.Series(values, dtype=dtype), "t": range(len(values))})
    return impute(table, columns=["c"], **settings).kept["c"].to_list()


NUMBERS = st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=30).filter(
    lambda v: any(x is not None for x in v)
)


@given(NUMBERS, st.sampled_from(["mean", "median", "mode"]))
def test_constants_are_those_of_scikit_learn(values: list[Number], method: str) -> None:
    strategy = {"mode": "most_frequent"}.get(method, method)
    rows = np.array([[math.nan if v is None else v] for v in values])
    expected = SimpleImputer(strategy=strategy).fit_transform(rows)[:, 0]
    assert column(values, pl.Float64, method=method) == pytest.approx(expected.tolist(), rel=1e-9, abs=1e-9)


def forward(values: list[Number], start: float) -> list[float]:
    found: list[float] = []
    for value in values:
        found.append(value if value is not None else (found[-1] if found else start))
    return found


@given(NUMBERS)
def test_forward_fill_never_looks_ahead(values: list[Number]) -> None:
    usual = statistics.median(v for v in values if v is not None)
    first = next(k for k, v in enumerate(values) if v is not None)
    expected = [usual] * first + forward(values[first:], usual)
    assert column(values, pl.Float64, method="forward_fill") == pytest.approx(expected)


def line(x: list[float], values: list[Number]) -> list[float]:
    """Interpolation written out."""
    known = [(t, v) for t, v in zip(x, values, strict=True) if v is not None]
    found = []
    for t, value in zip(x, values, strict=True):
        before = [p for p in known if p[0] <= t]
        behind = [p for p in known if p[0] >= t]
        if value is not None or not before or not behind:
            found.append(value if value is not None else (before or behind[::-1])[-1][1])
            continue
        (x0, y0), (x1, y1) = before[-1], behind[0]
        found.append(y0 + (y1 - y0) * (t - x0) / (x1 - x0))
    return found


@given(NUMBERS, st.randoms(use_true_random=False))
def test_lines_in_steps_and_in_time(values: list[Number], random: Any) -> None:
    expected = line([float(k) for k in range(len(values))], values)
    assert column(values, pl.Float64, method="linear") == pytest.approx(expected)
    hours = sorted(random.sample(range(1000), len(values)))
    times = [dt.datetime(2024, 1, 1) + dt.timedelta(hours=hour) for hour in hours]
    table = pl.DataFrame({"c": pl.Series(values, dtype=pl.Float64), "t": times}).sample(
        fraction=1.0, shuffle=True, seed=1
    )
    kept = impute(table, columns=["c"], method="time", order="t").kept
    assert kept["t"].to_list() == table["t"].to_list()
    assert kept.sort("t")["c"].to_list() == pytest.approx(line([float(h) for h in hours], values), rel=1e-6, abs=1e-6)


def test_nothing_is_filled_from_another_group() -> None:
    table = pl.DataFrame({"s": ["a", "b", "a", "b", "a"], "t": [1, 1, 2, 2, 3], "c": [1.0, 10.0, None, None, 3.0]})
    assert impute(table, columns=["c"], method="linear", order="t", groups=["s"]).kept["c"].to_list() == [
        1,
        10,
        2,
        10,
        3,
    ]
    assert impute(table, columns=["c"], method="forward_fill", order="t", groups=["s"]).kept["c"].to_list() == [
        1,
        10,
        1,
        10,
        3,
    ]


def gaps(rows: int = 300) -> tuple[pl.DataFrame, np.ndarray[Any, Any]]:
    random = np.random.default_rng(4)
    base = random.normal(size=rows)
    data = np.stack([base, 100 * base + random.normal(size=rows), random.normal(size=rows)], axis=1)
    data[random.random((rows, 3)) < 0.2] = np.nan
    return pl.DataFrame(data, schema=["a", "b", "c"]).fill_nan(None), data


@pytest.mark.parametrize("method", ["knn", "iterative"])
def test_models_are_those_of_scikit_learn(method: str) -> None:
    table, data = gaps()
    scaler = StandardScaler().fit(data)
    scaled = scaler.transform(data)
    if method == "knn":
        filled = KNNImputer(n_neighbors=3).fit_transform(scaled)
    else:
        low, high = np.nanmin(scaled, axis=0), np.nanmax(scaled, axis=0)
        # Rows in the order of the sample: the sums of a regression depend on it a little.
        filled = IterativeImputer(random_state=0, min_value=low, max_value=high).fit_transform(scaled)
    expected = scaler.inverse_transform(filled)
    found = impute(table, columns=["a", "b", "c"], method=method, neighbours=3).kept.select("a", "b", "c").to_numpy()
    assert found == pytest.approx(expected, rel=1e-3 if method == "iterative" else 1e-9, abs=1e-3)


def test_models_use_predictors_that_are_complete() -> None:
    x = np.random.default_rng(0).normal(size=400)
    table = pl.DataFrame({"x": x, "y": 3 * x + 1}).with_columns(
        pl.when(pl.int_range(pl.len()) % 10 == 0).then(None).otherwise(pl.col("y")).alias("y")
    )
    kept = impute(table, columns=["y"], predictors=["x"], method="iterative").kept
    assert kept["y"].to_numpy() == pytest.approx(3 * x + 1, abs=0.05)
    assert (kept["x"] == table["x"]).all()


def test_models_lead_no_further_than_what_was_seen() -> None:
    x = np.arange(100.0)
    table = pl.DataFrame({"x": [*x, 1e4, -1e4], "y": [*(3 * x + 1), None, None]})
    kept = impute(table, columns=["y"], predictors=["x"], method="iterative").kept["y"]
    assert 1 - 1e-6 <= kept[101] <= kept[100] <= 298 + 1e-6


def test_words_and_truth_values() -> None:
    assert column(["b", "a", None, "b", None], method="mode") == ["b", "a", "b", "b", "b"]
    assert column(["b", "a", None, "b", None], method="forward_fill") == ["b", "a", "a", "b", "b"]
    assert column([True, None, False, True], method="mode") == [True, True, False, True]
    assert column(["x", None], method="constant", value="?") == ["x", "?"]


def test_integers_stay_integers() -> None:
    table = pl.DataFrame({"c": pl.Series([1, None, 2, None, 9], dtype=pl.Int16)})
    kept = impute(table, columns=["c"], method="mean").kept["c"]
    assert kept.dtype == pl.Int16 and kept.to_list() == [1, 4, 2, 4, 9]
    assert column([1, None, 4], pl.Int64, method="linear") == [1, 2, 4]


def test_every_fill_is_counted_by_column_and_method() -> None:
    table = pl.DataFrame({"a": [None, 1.0, None, 2.0], "b": ["x", None, "x", "y"]})
    outcome = impute(table, columns=["a"], method="forward_fill")
    assert outcome.changed == {"a.forward_fill": 1, "a.median": 1}
    assert impute(table, columns=["b"], method="mode").changed == {"b.mode": 1}
    assert impute(table, columns=["b"], method="mode").dropped.is_empty()


def test_values_come_from_training_rows_only() -> None:
    table = pl.DataFrame({"id": list("abcd"), "split": ["train", "test", "train", "test"], "c": [1.0, 99.0, 3.0, None]})
    assert impute(table, columns=["c"], method="mean").kept["c"].to_list() == [1.0, 99.0, 3.0, 2.0]


def wave(rows: int = 1200) -> pl.DataFrame:
    """A smooth series, one without any order that another column explains, and words."""
    random = np.random.default_rng(2)
    noise = random.normal(size=rows)
    return pl.DataFrame(
        {
            "id": [str(k) for k in range(rows)],
            "t": range(rows),
            "smooth": np.sin(np.arange(rows) / 40),
            "noise": noise,
            "same": 5 * noise + 0.01 * random.normal(size=rows),
            "word": ["calm" if k % 400 < 300 else "storm" for k in range(rows)],
        }
    )


def test_auto_takes_what_is_least_wrong() -> None:
    table = wave()
    step = Impute(columns=["smooth", "noise", "word"], predictors=["same"], order="t")
    learned = step.fit(table, 0)
    choice = learned["choice"]
    assert choice["smooth"]["short"] in ("linear", "time") and choice["smooth"]["long"] in ("linear", "time")
    assert choice["noise"]["short"] == "iterative" and choice["word"]["short"] == "forward_fill"
    for row in learned["errors"]:
        mine = choice[row["column"]][row["gaps"]]
        taken = next(
            r for r in learned["errors"] if (r["column"], r["gaps"], r["method"]) == (row["column"], row["gaps"], mine)
        )
        measure = "wrong" if row["column"] == "word" else "rmse"
        assert taken[measure] <= row[measure]
    shown = step.evidence(learned)
    assert sum(row["taken"] for row in shown) == 6 and len(shown) == len(learned["errors"])


def test_the_errors_are_those_on_hidden_values() -> None:
    table = wave().with_columns(pl.lit(7.0).alias("noise"))
    learned = Impute(columns=["smooth", "noise"], order="t", hidden=0.5).fit(table, 0)
    rows = {(r["column"], r["gaps"], r["method"]): r for r in learned["errors"]}
    assert rows["noise", "short", "mean"]["rmse"] == 0 and rows["noise", "long", "linear"]["rmse"] == 0
    # Half of the values hidden: the root mean square about the mean is that of a sine.
    assert rows["smooth", "short", "mean"]["rmse"] == pytest.approx(math.sqrt(0.5), abs=0.05)
    assert rows["smooth", "short", "linear"]["rmse"] < rows["smooth", "long", "linear"]["rmse"] < 0.2


def test_long_gaps_may_have_another_method() -> None:
    rows = 2000
    random = np.random.default_rng(0)
    # Neighbours are alike, but not those 24 rows away, which are less like than the mean is.
    steps = np.repeat(random.choice([-1.0, 1.0], rows // 4), 4)
    table = pl.DataFrame({"t": range(rows), "c": steps})
    step = Impute(columns=["c"], order="t", block=24)
    learned = step.fit(table, 0)
    assert learned["choice"]["c"]["short"] in ("linear", "time", "forward_fill")
    assert learned["choice"]["c"]["long"] in ("mean", "median")
    holes = table.with_columns(
        pl.when(pl.col("t").is_between(100, 130) | (pl.col("t") == 501)).then(None).otherwise("c").alias("c")
    )
    outcome = step.use(holes.with_columns(pl.col("t").cast(pl.String).alias("id")), learned)
    assert outcome.changed == {f"c.{learned['choice']['c']['short']}": 1, f"c.{learned['choice']['c']['long']}": 31}


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(60)), st.sampled_from(["auto", "knn", "mean"]))
def test_the_order_of_rows_does_not_matter(order: list[int], method: str) -> None:
    table = wave(60).with_columns(
        pl.when(pl.col("t") % 7 == 3).then(None).otherwise(pl.col(name)).alias(name) for name in ("smooth", "noise")
    )
    step = Impute.model_validate({"columns": ["smooth", "noise"], "method": method, "order": "t"})
    assert step.fit(table, 3) == step.fit(table[list(order)], 3)
    assert step.apply(table, Facts("p")).kept.equals(step.apply(table[list(order)], Facts("p")).kept.sort("t"))


@pytest.mark.parametrize("settings", [{"predictors": ["y"]}, {"order": "o"}, {"order": "o", "groups": ["g"]}])
def test_the_choice_does_not_depend_on_the_order_of_rows_that_nothing_orders(settings: dict[str, Any]) -> None:
    flips = 0
    for seed in range(8):
        random = np.random.default_rng(seed)
        x = np.cumsum(random.normal(size=120))
        y, g = x + random.normal(size=120), ["a", "b"] * 60
        x[random.random(120) < 0.1] = np.nan
        # Two rows at each time, also of one group.
        table = pl.DataFrame({"id": [str(k) for k in range(120)], "x": x, "y": y, "g": g, "o": np.arange(120) // 4})
        step = Impute.model_validate({"columns": ["x"], **settings})
        flips += step.fit(table, 0) != step.fit(table.sample(fraction=1.0, shuffle=True, seed=seed), 0)
    assert flips == 0


ALL = ("mean", "median", "mode", "forward_fill", "linear", "time", "knn", "iterative", "auto")


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("odd", [math.inf, -math.inf, 1e308, -1e308, [math.inf, -math.inf], [1e308, -1e308]])
def test_infinities_teach_nothing_and_large_numbers_break_nothing(method: str, odd: Any) -> None:
    strange = odd if isinstance(odd, list) else [odd]
    rows: list[Number] = [1.0, 2.0, 3.0, 2.0, 1.0, *strange, 6.0, None, 8.0, 9.0, 8.0, None, 8.0]
    table = pl.DataFrame({"c": rows, "t": range(len(rows)), "y": [float(k) for k in range(len(rows))]})
    settings = {"predictors": ["y"]} if method in ("knn", "iterative", "auto") else {}
    found = impute(table, columns=["c"], method=method, order="t", **settings).kept["c"].to_list()
    gaps = [place for place, value in enumerate(rows) if value is None]
    assert [v for k, v in enumerate(found) if k not in gaps] == [v for v in rows if v is not None]
    assert all(math.isfinite(found[place]) for place in gaps)
    if math.isinf(strange[0]):
        finite = [None if v is not None and math.isinf(v) else v for v in rows]
        assert all(1.0 <= found[place] <= 9.0 for place in gaps)
        if method in ("mean", "median", "mode"):
            plain = column(finite, method=method)
            assert [found[place] for place in gaps] == [plain[place] for place in gaps]


def test_a_column_of_infinities_only_is_named() -> None:
    with pytest.raises(BadData, match="impute: column 'c' has no value in any training row that is finite"):
        column([math.inf, None, -math.inf], method="auto")


def test_whole_numbers_at_the_ends_of_their_type() -> None:
    most = 2**63 - 1
    for method in ("mean", "median", "mode", "knn", "linear"):
        assert column([most, None, most], pl.Int64, method=method) == [most] * 3
        assert column([-most - 1, None, -most - 1], pl.Int64, method=method) == [-most - 1] * 3
    assert column([255, None], pl.UInt8, method="constant", value=200) == [255, 200]


def test_what_was_fitted_is_used() -> None:
    step = Impute(columns=["c"], method="mean")
    table = pl.DataFrame({"id": ["1", "2"], "c": [1.0, None]})
    learned = {step.fit_key: {"columns": {"c": {"mean": 42.0, "median": 0.0, "mode": 0.0}}}}
    assert step.apply(table, Facts("p", fitted=learned)).kept["c"].to_list() == [1.0, 42.0]
    with pytest.raises(IntegrityError, match="nothing was fitted"):
        step.apply(table, Facts("p", fitted={}))


@pytest.mark.parametrize(
    ("table", "settings", "error", "message"),
    [
        ({"c": ["a", None]}, {"method": "mean"}, ConfigError, "mean is for numbers, column 'c' is String"),
        ({"c": [b"a", None]}, {"method": "mode"}, ConfigError, "column 'c' is Binary"),
        (
            {"c": [1, None]},
            {"method": "constant", "value": "x"},
            ConfigError,
            "column 'c' is Int64, the value 'x' is not",
        ),
        ({"c": [1, None]}, {"method": "constant", "value": 1.5}, ConfigError, "the value 1.5 is not"),
        (
            {"c": pl.Series([1, None], dtype=pl.UInt8)},
            {"method": "constant", "value": 300},
            ConfigError,
            "column 'c' is UInt8, the value 300 is not",
        ),
        ({"c": pl.Series([None, None], dtype=pl.Float64)}, {"method": "mean"}, BadData, "no value in any training row"),
        ({"d": [1]}, {}, ConfigError, "no column 'c'"),
        ({"c": [1.0, None], "t": [1, None]}, {"order": "t"}, BadData, "rows without 't' have no place in the order"),
        ({"c": [1.0, None], "t": ["1", "2"]}, {"order": "t"}, ConfigError, "ordered by times or numbers"),
        ({"c": [1.0, None], "p": ["1", "2"]}, {"predictors": ["p"]}, ConfigError, "predictors are numbers"),
    ],
)
def test_what_cannot_be_filled(table: Any, settings: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        impute(pl.DataFrame(table), columns=["c"], **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "constant"}, "constant has a value"),
        ({"method": "mean", "value": 1}, "constant has a value"),
        ({"method": "constant", "value": math.nan}, "nan is what is missing, no value to fill in"),
        ({"method": "constant", "value": math.inf}, "no value to fill in"),
        ({"method": "time"}, "needs `order`"),
        ({"order": "c"}, "cannot be filled and be what rows are ordered"),
    ],
)
def test_settings_that_contradict(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Impute.model_validate({"columns": ["c"], **settings})


@pytest.mark.mirror
@pytest.mark.slow
def test_auto_is_no_worse_than_a_single_method_on_air_quality(mirror: Path) -> None:
    from benchmarks.imputation import imputation

    assert all(figure.met for figure in imputation(1))
