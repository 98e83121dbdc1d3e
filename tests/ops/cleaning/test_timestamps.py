import datetime as dt
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ops.cleaning.timestamps import Timestamps
from ops.errors import ConfigError
from ops.steps import Facts, Outcome

FORMAT = "%Y-%m-%d %H:%M"
BERLIN = ZoneInfo("Europe/Berlin")


def read(texts: list[Any], **settings: Any) -> Outcome:
    table = pl.DataFrame({"id": [str(k) for k in range(len(texts))], "t": pl.Series(texts, dtype=pl.String)})
    return apply(table, columns=["t"], **{"format": FORMAT, "zone": "Europe/Berlin", **settings})


def apply(table: pl.DataFrame, **settings: Any) -> Outcome:
    outcome = Timestamps.model_validate(settings).apply(table, Facts("p"))
    assert table.height + outcome.added == outcome.kept.height + outcome.dropped.height
    return outcome


def hours(outcome: Outcome) -> list[str]:
    return outcome.kept["time"].dt.strftime("%d %H:%M").to_list()


def reasons(outcome: Outcome) -> list[tuple[str, str]]:
    return list(outcome.dropped.select("id", "reason").iter_rows())


LOCAL = st.datetimes(dt.datetime(1980, 1, 1), dt.datetime(2037, 1, 1)).map(lambda t: t.replace(second=0, microsecond=0))


@given(st.lists(LOCAL, min_size=1, max_size=20, unique=True))
def test_moments_are_those_of_the_standard_library(times: list[dt.datetime]) -> None:
    outcome = read([t.strftime(FORMAT) for t in times], order="keep", ambiguous="earliest", nonexistent="after")
    assert outcome.kept.schema["time"] == pl.Datetime("us", "UTC")
    # PEP 495: fold 0 is the first of two, and reads what is skipped by the offset from before.
    assert outcome.kept["time"].to_list() == [t.replace(tzinfo=BERLIN, fold=0).astimezone(dt.UTC) for t in times]


FOLD, SKIP = "2024-10-27 02:30", "2024-03-31 02:30"


def test_times_there_twice_and_times_that_are_skipped() -> None:
    texts = [SKIP, "2024-03-31 03:30", FOLD]
    assert reasons(read(texts)) == [("0", "nonexistent"), ("2", "ambiguous")]
    assert read(texts).dropped["evidence"].to_list() == [SKIP, FOLD]
    assert hours(read([FOLD], ambiguous="earliest")) == ["27 00:30"]
    assert hours(read([FOLD], ambiguous="latest")) == ["27 01:30"]
    twice = ["2024-10-27 02:00", FOLD, "2024-10-27 02:00", FOLD, "2024-10-27 03:00"]
    assert hours(read(twice, ambiguous="in_order")) == ["27 00:00", "27 00:30", "27 01:00", "27 01:30", "27 02:00"]
    assert hours(read([SKIP], nonexistent="after")) == ["31 01:30"]


def test_what_cannot_be_read_is_dropped_with_the_text() -> None:
    outcome = read(["2024-02-30 01:00", "2024-01-01 24:00", "2024-01-01 01:00 ", "x", None, "2024-01-01 01:00"])
    assert outcome.dropped["reason"].to_list() == ["unreadable"] * 4 + ["missing"]
    assert outcome.dropped["evidence"].to_list() == [
        "2024-02-30 01:00",
        "2024-01-01 24:00",
        "2024-01-01 01:00 ",
        "x",
        None,
    ]
    assert hours(outcome) == ["01 00:00"]


def test_an_offset_in_the_text() -> None:
    outcome = read(["2024-01-01 01:00+0200", "2024-01-01 01:00"], format="%Y-%m-%d %H:%M%z", zone=None)
    assert outcome.kept["time"].to_list() == [dt.datetime(2023, 12, 31, 23, tzinfo=dt.UTC)]
    assert reasons(outcome) == [("1", "unreadable")]


def test_parts_in_columns_of_integers() -> None:
    table = pl.DataFrame({"id": ["a", "b"], "year": [2010, 2010], "month": [1, 2], "day": [1, 30], "hour": [23, 0]})
    outcome = apply(table, columns=["year", "month", "day", "hour"], format="%Y %m %d %H", zone="Asia/Shanghai")
    assert outcome.kept["time"].to_list() == [dt.datetime(2010, 1, 1, 15, tzinfo=dt.UTC)]
    assert outcome.dropped.row(0) == ("b", "timestamps", "unreadable", "2010 2 30 0")
    days = apply(table, columns=["year", "month", "day"], format="%Y %m %d", zone="UTC", output="year")
    assert days.kept["year"].to_list() == [dt.datetime(2010, 1, 1, tzinfo=dt.UTC)]


MIXED = ["2024-01-01 02:00", "2024-01-01 05:00", "2024-01-01 03:00", "2024-01-01 05:00", "2024-01-01 04:00"]


def test_order_and_duplicates() -> None:
    outcome = read(MIXED, zone="UTC")
    assert outcome.kept["id"].to_list() == ["0", "2", "4", "1"]
    assert reasons(outcome) == [("3", "duplicate")] and outcome.changed == {"sorted": 2}
    outcome = read(MIXED, zone="UTC", order="drop")
    assert outcome.kept["id"].to_list() == ["0", "1"]
    assert reasons(outcome) == [("2", "out_of_order"), ("4", "out_of_order"), ("3", "duplicate")]
    outcome = read(MIXED, zone="UTC", order="keep", duplicates="keep")
    assert outcome.kept["id"].to_list() == ["0", "1", "2", "3", "4"] and not outcome.changed


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30)), max_size=30), st.sampled_from(["count", "fill"]))
def test_gaps(rows: list[tuple[str, int]], gaps: str) -> None:
    times = [(dt.datetime(2024, 1, 1) + dt.timedelta(hours=h)).strftime(FORMAT) for _, h in rows]
    table = pl.DataFrame(
        {"id": [str(k) for k in range(len(rows))], "s": [s for s, _ in rows], "t": times, "x": [1] * len(rows)},
        schema={"id": pl.String, "s": pl.String, "t": pl.String, "x": pl.Int64},
    )
    settings = {"columns": ["t"], "format": FORMAT, "zone": "UTC", "groups": ["s"], "every": "1h", "gaps": gaps}
    outcome = apply(table, **settings)
    seen = {s: sorted({h for t, h in rows if t == s}) for s in "ab"}
    expected = sum(b - a > 1 for each in seen.values() for a, b in pairwise(each))
    assert outcome.changed.get("gap", 0) == expected
    whole = [(s, h) for s, each in seen.items() for h in (range(each[0], each[-1] + 1) if each else ())]
    known = [(s, h) for s, each in seen.items() for h in each]
    found = [
        (s, int((t - dt.datetime(2024, 1, 1, tzinfo=dt.UTC)).total_seconds() // 3600))
        for s, t in outcome.kept.select("s", "time").iter_rows()
    ]
    assert found == (whole if gaps == "fill" else known)
    assert outcome.added == (len(whole) - len(known) if gaps == "fill" else 0)
    assert outcome.kept["id"].is_unique().all() and outcome.kept["x"].null_count() == outcome.added


def test_a_wrong_year_is_no_reason_to_fill_centuries() -> None:
    texts = ["2024-01-01 00:00", "2024-01-01 03:00", "2924-01-01 00:00"]
    outcome = read(texts, zone="UTC", every="1h", gaps="fill", longest=100)
    assert outcome.kept.height == 5 and outcome.changed == {"gap": 1, "long_gap": 1}
    assert outcome.kept["id"].to_list() == ["0", "1-2", "1-1", "1", "2"]


def test_off_the_grid() -> None:
    outcome = read(["2024-01-01 00:00", "2024-01-01 00:10", "2024-01-01 00:30"], zone="UTC", every="30m")
    assert reasons(outcome) == [("1", "off_grid")]


DAYS = ["2024-03-30", "2024-04-01", "2024-10-26", "2024-10-28"]


def test_days_are_those_of_the_clocks() -> None:
    for zone in ("Europe/Berlin", "Asia/Shanghai", "America/New_York", "UTC"):
        outcome = read(DAYS[:2], format="%Y-%m-%d", zone=zone, every="1d", gaps="fill")
        local = outcome.kept["time"].dt.convert_time_zone(zone).dt.strftime("%Y-%m-%d %H:%M")
        assert local.to_list() == ["2024-03-30 00:00", "2024-03-31 00:00", "2024-04-01 00:00"], zone
    outcome = read([f"{day} 00:00" for day in DAYS], every="1d", gaps="fill", longest=5)
    assert outcome.added == 2 and outcome.changed == {"gap": 2, "long_gap": 1} and outcome.dropped.is_empty()
    assert reasons(read(["2024-03-30 00:00", "2024-03-31 01:00"], every="1d")) == [("1", "off_grid")]
    mondays = ["2024-03-25", "2024-04-01", "2024-04-03", "2024-04-15"]
    weeks = read(mondays, format="%Y-%m-%d", every="1w", gaps="fill")
    assert reasons(weeks) == [("2", "off_grid")] and weeks.added == 1
    assert weeks.kept["time"].dt.convert_time_zone("Europe/Berlin").dt.strftime("%m-%d %H").to_list() == [
        *("03-25 00", "04-01 00", "04-08 00", "04-15 00")
    ]


def test_hours_in_zones_of_half_hours() -> None:
    texts = ["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 01:30", "2024-01-01 04:00"]
    outcome = read(texts, zone="Asia/Kolkata", every="1h", gaps="fill")
    assert reasons(outcome) == [("2", "off_grid")] and outcome.added == 2
    assert hours(outcome) == ["31 18:30", "31 19:30", "31 20:30", "31 21:30", "31 22:30"]
    # Even steps where clocks go forward: no hour lacks.
    outcome = read(["2024-03-31 01:00", "2024-03-31 03:00"], every="1h", gaps="fill")
    assert outcome.added == 0 and not outcome.changed


def test_a_day_that_clocks_skip_has_no_time() -> None:
    texts = ["2011-12-29 23:00", "2011-12-30 12:00", "2011-12-31 01:00"]
    outcome = read(texts, zone="Pacific/Apia", nonexistent="after")
    assert reasons(outcome) == [("1", "nonexistent")] and outcome.kept["time"].null_count() == 0
    assert hours(outcome) == ["30 09:00", "30 11:00"]


def test_the_second_time_begins_where_clocks_go_back() -> None:
    texts = ["2024-10-27 01:30", FOLD, "2024-10-27 02:00", FOLD, "2024-10-27 03:00"]
    outcome = read(texts, ambiguous="in_order", order="drop")
    assert outcome.dropped["reason"].to_list() == [] and hours(outcome) == [
        *("26 23:30", "27 00:30", "27 01:00", "27 01:30", "27 02:00")
    ]
    # Two series, each with clocks of its own; and another year.
    table = pl.DataFrame({"t": [FOLD, FOLD, "2024-10-27 02:00", "2024-10-27 02:45", "2023-10-29 02:00"]})
    table = table.with_columns(s=pl.Series(list("ababb")), id=pl.int_range(pl.len()).cast(pl.String))
    settings = {"columns": ["t"], "format": FORMAT, "zone": "Europe/Berlin", "groups": ["s"], "order": "keep"}
    assert hours(apply(table, ambiguous="in_order", **settings)) == [
        *("27 00:30", "27 00:30", "27 01:00", "27 00:45", "29 00:00")
    ]


def test_filled_rows_take_no_id_that_there_is() -> None:
    table = pl.DataFrame({"id": ["a", "a-1", "a--1"], "t": ["2024-01-01 03:00", "2024-01-01 01:00", "x"]})
    outcome = apply(table, columns=["t"], format=FORMAT, zone="UTC", every="1h", gaps="fill")
    assert outcome.kept["id"].to_list() == ["a-1", "a---1", "a"]


def test_years_that_there_are_not() -> None:
    outcome = read(["0001-01-01 00:00", "9999-12-31 23:00"], zone="Asia/Shanghai")
    assert reasons(outcome) == [("0", "unreadable")]
    assert reasons(read(["9999-12-31 23:00"], zone="America/New_York")) == [("0", "unreadable")]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"zone": "Europe/Berlim"}, "no time zone 'Europe/Berlim'"),
        ({"zone": None}, "give the zone of the times, or a format with an offset"),
        ({"format": FORMAT + "%z"}, "give the zone of the times, or a format with an offset"),
        ({"format": "%H:%M"}, "no time can be read by the format"),
        ({"format": "when?"}, "no time can be read by the format"),
        ({"gaps": "fill"}, "gaps can be filled where `every` is given"),
        ({"every": "1 hour"}, "pattern"),
        ({"output": "id"}, "the output cannot be 'id'"),
        ({"output": "s", "groups": ["s"]}, "the output cannot be 's'"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        read(["x"], **settings)


def test_floats_are_no_times() -> None:
    with pytest.raises(ConfigError, match="times are text or integers, column 't' is Float64"):
        apply(pl.DataFrame({"id": ["1"], "t": [1.0]}), columns=["t"], format=FORMAT, zone="UTC")


def test_an_empty_table() -> None:
    assert read([]).kept.schema["time"] == pl.Datetime("us", "UTC")


@pytest.mark.mirror
def test_five_years_of_hours_are_whole(mirror: Path) -> None:
    path = mirror / "beijing_pm25/PRSA_data_2010.1.1-2014.12.31.csv"
    table = pl.read_csv(path, null_values=["NA"], infer_schema=False)
    table = table.rename({"No": "id"}).with_columns(pl.col("id").cast(pl.String))
    parts = {
        "columns": ["year", "month", "day", "hour"],
        "format": "%Y %m %d %H",
        "zone": "Asia/Shanghai",
        "every": "1h",
    }
    outcome = apply(table, **parts)
    assert outcome.kept.height == 43_824 and outcome.dropped.is_empty() and not outcome.changed
    assert outcome.kept["time"][0] == dt.datetime(2009, 12, 31, 16, tzinfo=dt.UTC)
    holed = apply(table.filter(pl.col("pm2.5").is_not_null()), **parts, gaps="fill")
    # The known runs of missing hours, but for the first one, before which there is nothing.
    assert holed.added == 2067 - 24 and holed.changed == {"gap": 213}
