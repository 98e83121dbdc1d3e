"""Series: order, moments and windows, against a plain loop over rows."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.stages.series import Moments, ordered_rows, series_statistics, step_values, windows
from ops.tasks.forecasting import Forecasting

START = dt.datetime(2020, 2, 27, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def task(**changes: Any) -> Forecasting:
    base: dict[str, Any] = {
        "input": "time", "label": "truth", "past": "dust", "features": ["dust", "wind"], "history": 4, "horizon": 2,
        "calendar": False,
    }  # fmt: skip
    return Forecasting(**(base | changes))


def rows(hours: list[int], *, lost: set[int] = frozenset(), valid: int = 10**9, test: int = 10**9) -> pl.DataFrame:  # type: ignore[assignment]
    split = ["test" if h >= test else "valid" if h >= valid else "train" for h in hours]
    return pl.DataFrame(
        {
            "id": [f"p/{n}" for n in range(len(hours))],
            "time": [START + h * HOUR for h in hours],
            "dust": [float(h * 10) for h in hours],
            "wind": [float(h % 7) for h in hours],
            "truth": [None if h in lost else float(h * 10) for h in hours],
            "split": split,
        },
        schema={
            "id": pl.String,
            "time": pl.Datetime("us", "UTC"),
            "dust": pl.Float64,
            "wind": pl.Float64,
            "truth": pl.Float64,
            "split": pl.String,
        },
    )


def naive_windows(table: pl.DataFrame, wanted: Forecasting) -> tuple[list[tuple[int, str]], dict[str, int]]:
    """The examples' last rows and splits, and reasons for the others, row by row."""
    found: list[tuple[int, str]] = []
    reasons: dict[str, int] = {}
    times, split, truth = (table[name].to_list() for name in ("time", "split", "label"))
    step = dt.timedelta(minutes=wanted.minutes)

    def joined(first: int, last: int) -> bool:
        return first >= 0 and last < len(times) and all(times[i] + step == times[i + 1] for i in range(first, last))

    for last in range(len(times)):
        ahead = range(last + 1, last + wanted.horizon + 1)
        if not joined(last - wanted.history + 1, last):
            reason = "history"
        elif not joined(last, last + wanted.horizon):
            reason = "horizon"
        elif len({split[i] for i in ahead}) > 1:
            reason = "split"
        elif all(truth[i] is None for i in ahead):
            reason = "label"
        else:
            found.append((last, split[last + 1]))
            continue
        reasons[reason] = reasons.get(reason, 0) + 1
    return found, reasons


@settings(max_examples=80, deadline=None)
@given(st.sets(st.integers(0, 45), max_size=40), st.sets(st.integers(0, 45)), st.integers(0, 45), st.integers(1, 20))
def test_windows_are_those_of_a_plain_loop(hours: set[int], lost: set[int], valid: int, more: int) -> None:
    wanted = task()
    table = ordered_rows(rows(sorted(hours), lost=lost, valid=valid, test=valid + more), wanted).kept
    found = windows(table, wanted)
    expected, reasons = naive_windows(table, wanted)
    names = ("train", "valid", "test")
    assert [(int(a), names[b]) for a, b in zip(found.last, found.split, strict=True)] == expected
    assert found.incomplete == reasons
    assert len(found.last) + sum(found.incomplete.values()) == table.height
    truth, dust = table["label"].to_list(), table["dust"].to_list()
    for number, (last, _) in enumerate(expected):
        ahead = [last + 1, last + 2]
        known = [math.nan if truth[i] is None else truth[i] for i in ahead]
        np.testing.assert_array_equal(found.labels[number], np.array([known, [dust[i - 2] for i in ahead]], np.float32))


def test_rows_are_put_in_order_and_each_lost_one_has_a_reason() -> None:
    table = rows([5, 3, 3, 4, 1, 2]).with_columns(
        pl.when(pl.col("id") == "p/4").then(None).otherwise("time").alias("time"),
        pl.when(pl.col("id") == "p/3").then(float("nan")).otherwise("wind").alias("wind"),
        pl.when(pl.col("id") == "p/5").then(float("inf")).otherwise("truth").alias("truth"),
    )
    found = ordered_rows(table, task())
    assert found.kept["id"].to_list() == ["p/5", "p/1", "p/0"]
    assert found.kept["label"].to_list() == [None, 30.0, 50.0] and found.kept.schema["label"] == pl.Float32
    lost = found.dropped.select("id", "step", "reason", "evidence").sort("id").rows()
    assert [row[:3] for row in lost] == [
        ("p/2", "input", "repeated"), ("p/3", "feature", "missing"), ("p/4", "input", "missing"),
    ]  # fmt: skip
    assert lost[1][3] == "wind"


@given(st.lists(st.lists(st.one_of(st.floats(-1e3, 1e3), st.just(math.nan)), max_size=9), max_size=5))
def test_moments_of_parts_are_those_of_the_whole(parts: list[list[float]]) -> None:
    moments = Moments(1)
    for part in parts:
        moments.update(np.array(part, float).reshape(-1, 1))
    whole = np.array([value for part in parts for value in part if not math.isnan(value)])
    assert moments.count[0] == len(whole)
    np.testing.assert_allclose(moments.mean[0], whole.mean() if len(whole) else 0.0, atol=1e-9)
    np.testing.assert_allclose(moments.std[0], whole.std() if len(whole) else 0.0, atol=1e-6)


def test_only_training_rows_are_described() -> None:
    wanted = task(calendar=True)
    table = ordered_rows(rows(list(range(20)), lost={3}, valid=10, test=15), wanted).kept
    found = series_statistics([table[:7], table[7:]], wanted)
    known = [h * 10.0 for h in range(10) if h != 3]
    assert found["features"] == 6 and found["history"] == 4
    hours = np.arange(10.0)
    np.testing.assert_allclose(found["mean"][:2], np.array([45.0, (hours % 7).mean()]))
    np.testing.assert_allclose(found["std"][:2], np.array([(hours * 10).std(), (hours % 7).std()]))
    assert found["mean"][2:] == [0.0] * 4 and found["std"][2:] == [1.0] * 4
    np.testing.assert_allclose(
        np.array([found["target_mean"], found["target_std"]]), np.array([np.mean(known), np.std(known)])
    )


def test_the_calendar_is_the_angle_of_day_and_year() -> None:
    table = ordered_rows(rows([0, 6, 12, 18, 24]), task()).kept
    values = step_values(table, task(calendar=True))
    assert values.shape == (5, 6) and values.dtype == np.float32
    np.testing.assert_allclose(values[:, 2], [0, 1, 0, -1, 0], atol=1e-6)
    np.testing.assert_allclose(values[:, 4], [1, 0, -1, 0, 1], atol=1e-6)
    year = (START.timestamp() / 86_400 % 365.2425) / 365.2425 * 2 * math.pi
    np.testing.assert_allclose(values[0, [3, 5]], [math.sin(year), math.cos(year)], atol=1e-5)
    np.testing.assert_array_equal(step_values(table, task()), values[:, :2])
