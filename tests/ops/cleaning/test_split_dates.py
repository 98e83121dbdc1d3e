import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.cleaning.split import Split
from ops.cleaning.split_dates import dates, moments
from ops.errors import BadData, ConfigError

DAYS = pl.date_range(pl.date(2014, 1, 1), pl.date(2014, 4, 10), eager=True).alias("when")


@pytest.mark.parametrize(
    "times",
    [
        DAYS,
        DAYS.cast(pl.Datetime) + pl.duration(hours=7, milliseconds=300),
        DAYS.cast(pl.Datetime).dt.replace_time_zone("UTC"),
        DAYS.cast(pl.String) + "T10:30:00Z",
    ],
    ids=["date", "datetime", "zone", "text"],
)
def test_the_split_by_these_dates_has_these_rows(times: pl.Series) -> None:
    times = times if isinstance(times, pl.Series) else pl.select(times).to_series()
    rows = pl.concat([times, times.clear(3)]).alias("when")
    found = dates(pl.concat([moments(rows[:40]), moments(rows[40:])]), valid=0.2, test=0.1)
    assert found.nulls == 3 and sum(found.rows) == 103
    split = Split(time="when", valid_from=found.valid_from, test_from=found.test_from)
    table = split.assign(pl.DataFrame({"when": rows, "text": "same"}))
    assert tuple(table.filter(split=name).height for name in ("train", "valid", "test")) == found.rows
    assert found.rows == (72, 21, 10)


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=60),
    st.floats(0.01, 0.45),
    st.floats(0.01, 0.45),
)
def test_no_other_dates_come_nearer(days: list[int], valid: float, test: float) -> None:
    times = pl.Series("when", [dt.date(2020, 1, 1 + day) for day in days])
    if len(set(days)) < 3:
        with pytest.raises(BadData, match="cannot be divided"):
            dates(moments(times), valid, test)
        return
    found = dates(moments(times), valid, test)
    assert min(found.rows) > 0 and found.valid_from < found.test_from
    borders = sorted(set(times.to_list()))[2:]
    nearest = min(abs(int((times >= border).sum()) - test * len(days)) for border in borders)
    assert abs(found.rows[2] - test * len(days)) == pytest.approx(nearest)
    assert found.rows[2] == int((times >= dt.date.fromisoformat(found.test_from)).sum())


def test_what_is_no_moment_is_named() -> None:
    with pytest.raises(BadData, match=r"column 'when' has 'July', which is no moment"):
        moments(pl.Series("when", ["2014-01-01", "July"]))
    with pytest.raises(ConfigError, match="no moments in time"):
        moments(pl.Series("when", [1]))
