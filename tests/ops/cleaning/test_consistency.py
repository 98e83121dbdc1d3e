import datetime as dt
import math
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ops.cleaning.consistency import Consistency
from ops.errors import ConfigError
from ops.steps import Facts, Outcome


def check(values: list[Any], rule: dict[str, Any], dtype: Any = None) -> Outcome:
    table = pl.DataFrame({"id": [str(k) for k in range(len(values))], "c": pl.Series(values, dtype=dtype)})
    return Consistency.model_validate({"columns": {"c": rule}}).apply(table, Facts("p"))


def kept(values: list[Any], rule: dict[str, Any], dtype: Any = None) -> list[Any]:
    return check(values, rule, dtype).kept["c"].to_list()


@given(st.from_regex(r"[+-]?[0-9]{1,22}[ .e]?", fullmatch=True) | st.text("0123456789+-.e ", max_size=6))
def test_integers(text: str) -> None:
    try:
        valid = str(text).strip() == text and "_" not in text and -(2**63) <= int(text) < 2**63
    except ValueError:
        valid = False
    assert (kept([text], {"type": "integer"}) == [text]) == valid


@given(st.floats().map(str) | st.text("0123456789+-.eE ", max_size=7))
def test_numbers(text: str) -> None:
    try:
        valid = text.strip() == text and math.isfinite(float(text))
    except ValueError:
        valid = False
    assert (kept([text], {"type": "number"}) == [text]) == valid


@given(st.dates().map(str) | st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]", fullmatch=True))
def test_dates(text: str) -> None:
    try:
        valid = bool(dt.date.fromisoformat(text))
    except ValueError:
        valid = text[:4] == "0000" and kept(["2000" + text[4:]], {"type": "date"}) != []  # Python has no year 0
    assert (kept([text], {"type": "date"}) == [text]) == valid


@given(st.datetimes(timezones=st.none() | st.just(dt.UTC)).map(lambda t: t.isoformat()))
def test_times(text: str) -> None:
    assert kept([text, text.replace("T", " ")], {"type": "datetime"}) == [text, text.replace("T", " ")]


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01T10:00+99:99",
        "2024-01-01T10:00+24:00",
        "2024-01-01T10:00-0160",
        "2024-02-30T10:00",
        "2024-01-01T24:00",
        "2024-01-01T10:60",
        "2024-01-01",
        "10:00",
        "x",
    ],
)
def test_what_is_no_time(text: str) -> None:
    assert kept([text], {"type": "datetime"}) == []


def test_numbers_are_finite() -> None:
    assert kept(["1e308", "-1e308", "1e999", "-1e999", "inf", "nan", "1e-999"], {"type": "number"}) == [
        *("1e308", "-1e308", "1e-999")
    ]


def test_booleans() -> None:
    assert kept(["true", "False", "TRUE", "1", "yes", ""], {"type": "boolean"}) == ["true", "False", "TRUE"]


def test_allowed_values_in_the_columns_type() -> None:
    assert kept(["a", "b", None], {"allowed": ["a"]}) == ["a", None]
    assert kept([1, 2, None], {"allowed": [2, 3]}) == [2, None]
    assert kept([True, False], {"allowed": [True]}) == [True]


def test_a_pattern_matches_the_whole_text() -> None:
    assert kept(["ab", "abc", "xab", "ab\n", "cd"], {"pattern": "ab|cd"}) == ["ab", "cd"]


def test_bounds_are_inclusive_for_numbers_and_for_texts() -> None:
    assert kept([0, 1, 3, 4, None], {"minimum": 1, "maximum": 3}) == [1, 3, None]
    assert kept(["0", "1", "10", "3.5", "x", None], {"minimum": 1, "maximum": 3.5}) == ["1", "3.5", None]


def test_nan_is_no_value_and_within_no_bounds() -> None:
    values = [math.nan, 1.0, None]
    assert kept(values, {"required": True}, pl.Float64) == [1.0]
    assert kept(values, {"minimum": 0}, pl.Float64) == kept(values, {"maximum": 5}, pl.Float64) == [1.0, None]
    assert kept(["NaN", "1"], {"minimum": 0}) == ["1"]
    assert kept([math.inf, -math.inf, 1.0], {"minimum": 0}) == [math.inf, 1.0]


def test_whole_numbers_are_compared_as_such() -> None:
    large = 2**53
    for bound in (large, float(large)):
        assert kept([large + 1, large], {"maximum": bound}) == [large]
        assert kept([str(large + 1), str(large), f"+{large}"], {"maximum": bound}) == [str(large), f"+{large}"]
        assert kept([str(-large - 1), str(-large)], {"minimum": -bound}) == [str(-large)]
    assert kept([1, 2], {"maximum": 1.5}) == [1] and kept(["1", "2"], {"minimum": 1.5}) == ["2"]
    assert kept([3], {"minimum": -1, "maximum": 300}, pl.UInt8) == [3]
    assert kept([3], {"minimum": 300}, pl.UInt8) == [] == kept([3], {"maximum": -1}, pl.UInt8)
    assert kept([str(2**70)], {"maximum": 1}) == [] and kept([str(2**70)], {"minimum": 1}) == [str(2**70)]


def test_allowed_values_of_other_widths_and_of_dates() -> None:
    assert kept([0.1, 0.5, 0.7], {"allowed": [0.1, 0.5]}, pl.Float32) == pytest.approx([0.1, 0.5])
    assert kept([0.1], {"minimum": 0.1, "maximum": 0.1}, pl.Float32) == pytest.approx([0.1])
    assert kept([3, 4], {"allowed": [300, 3, -1, 2**70]}, pl.UInt8) == [3]
    assert kept([dt.date(2020, 1, 1), dt.date(2020, 1, 2)], {"allowed": ["2020-01-01"]}) == [dt.date(2020, 1, 1)]
    moment = dt.datetime(2020, 1, 1, 12, tzinfo=dt.UTC)
    for text in ("2020-01-01T12:00", "2020-01-01T13:00+01:00"):
        assert kept([moment], {"allowed": [text]}, pl.Datetime("us", "UTC")) == [moment]
    with pytest.raises(ConfigError, match="column 'c' is Date, the allowed value 'x' is not"):
        check([dt.date(2020, 1, 1)], {"allowed": ["x"]})
    with pytest.raises(ConfigError, match="column 'c' is Binary, of which no values can be listed"):
        check([b"x"], {"allowed": ["x"]})


def test_nulls_break_only_required() -> None:
    everything = {"type": "integer", "allowed": ["1"], "pattern": "1", "minimum": 0, "maximum": 2}
    assert kept(["1", None], everything) == ["1", None]
    assert kept(["1", None], everything | {"required": True}) == ["1"]


def test_the_first_broken_rule_and_the_value_are_named() -> None:
    table = pl.DataFrame({"id": ["1", "2", "3", "4"], "a": ["x" * 500, "1", "9", "1"], "b": [None, None, "p", "p"]})
    rules = {"a": {"type": "integer", "maximum": 5}, "b": {"required": True}}
    outcome = Consistency.model_validate({"columns": rules}).apply(table, Facts("p"))
    assert outcome.dropped.rows() == [
        ("1", "consistency", "a.type", "x" * 100),
        ("2", "consistency", "b.required", None),
        ("3", "consistency", "a.maximum", "9"),
    ]
    assert outcome.kept.rows() == [("4", "1", "p")]


@pytest.mark.parametrize(
    ("values", "rule", "message"),
    [
        ([1], {"pattern": "x"}, "a pattern is for text, column 'c' is Int64"),
        ([True], {"minimum": 1}, "minimum and maximum are for numbers, column 'c' is Boolean"),
        ([1.5], {"type": "integer"}, "column 'c' is declared integer and is Float64"),
        (["1"], {"allowed": [1]}, "column 'c' is String, the allowed value 1 is not"),
        ([1], {"allowed": [True]}, "column 'c' is Int64, the allowed value True is not"),
    ],
)
def test_rules_that_do_not_fit_the_column(values: list[Any], rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(values, rule)


@pytest.mark.parametrize(
    "rule", [{}, {"required": False}, {"allowed": []}, {"pattern": "("}, {"minimum": 2, "maximum": 1}]
)
def test_rules_that_say_nothing(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Consistency.model_validate({"columns": {"c": rule}})


def test_declared_types_that_the_column_has_already() -> None:
    assert kept([1, None], {"type": "integer"}) == [1, None]
    assert kept([dt.date(2024, 1, 1)], {"type": "date"}) == [dt.date(2024, 1, 1)]


@given(st.lists(st.tuples(st.sampled_from(["x", "y", None]), st.integers(0, 2)), max_size=20))
def test_sets_of_columns_that_occur_once(rows: list[tuple[str | None, int]]) -> None:
    ids = [str(k) for k in range(len(rows))]
    schema = {"id": pl.String, "a": pl.String, "b": pl.Int64}
    table = pl.DataFrame({"id": ids, "a": [a for a, _ in rows], "b": [b for _, b in rows]}, schema=schema)
    outcome = Consistency(unique=[["a", "b"]]).apply(table, Facts("p"))
    first = [k for k, row in zip(ids, rows, strict=True) if row[0] is None or rows.index(row) == int(k)]
    assert outcome.kept["id"].to_list() == first
    assert set(outcome.dropped["reason"]) <= {"unique.a+b"}
    assert set(outcome.dropped["evidence"]) <= {f"{a} | {b}" for a in "xy" for b in range(3)}


def test_a_row_that_breaks_a_rule_is_nobodys_first() -> None:
    table = pl.DataFrame({"id": ["1", "2", "3"], "a": ["k", "k", "k"], "b": [-1, 1, 2]})
    outcome = Consistency.model_validate({"columns": {"b": {"minimum": 0}}, "unique": [["a"]]}).apply(table, Facts("p"))
    assert outcome.kept["id"].to_list() == ["2"]
    assert outcome.dropped.select("id", "reason").rows() == [("1", "b.minimum"), ("3", "unique.a")]


def test_something_must_be_asked_for() -> None:
    with pytest.raises(ValidationError, match="give columns with rules, unique, or both"):
        Consistency()
