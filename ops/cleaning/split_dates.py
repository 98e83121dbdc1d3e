"""The dates that give a split by time its shares, found once, so that the recipe can say them."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from ops.errors import BadData, ConfigError

_FORM = r"^(\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?)?)"


class Dates(NamedTuple):
    """Where valid and test begin, and how many rows that makes.

    Attributes:
        valid_from: the first moment of the valid rows.
        test_from: the first moment of the test rows.
        rows: of train (rows without a moment among them), valid and test.
        nulls: rows without a moment.
    """

    valid_from: str
    test_from: str
    rows: tuple[int, int, int]
    nulls: int


def moments(times: pl.Series) -> pl.DataFrame:
    """Return (moment, rows) for dates, moments or ISO 8601 text: how many rows each has, by the second.

    Raises:
        ConfigError: the column holds neither dates nor moments nor text.
        BadData: a text does not begin with a moment.
    """
    if isinstance(times.dtype, pl.Datetime):
        said = times.dt.truncate("1s").dt.strftime("%Y-%m-%dT%H:%M:%S").str.strip_suffix("T00:00:00")
    elif times.dtype == pl.Date:
        said = times.dt.strftime("%Y-%m-%d")
    elif times.dtype == pl.String:
        said = times.str.extract(_FORM)
        wrong = times.filter(said.is_null() & times.is_not_null())
        if len(wrong):
            hint = "write moments as 2014-07-01 or 2014-07-01T12:00"
            raise BadData(f"column {times.name!r} has {wrong[0]!r}, which is no moment", hint=hint)
    else:
        hint = "parse it in the source or with consistency"
        raise ConfigError(f"split: column {times.name!r} is {times.dtype}, no moments in time", hint=hint)
    return said.alias("moment").to_frame().group_by("moment").agg(pl.len().alias("rows"))


def dates(counts: pl.DataFrame, valid: float, test: float) -> Dates:
    """The dates whose shares come nearest to those wished for; rows of one moment are on one side.

    Args:
        counts: (moment, rows) of all partitions; a moment may be there several times.
        valid: share of the valid rows, of all rows.
        test: share of the test rows.

    Raises:
        BadData: there are fewer than three moments to divide.
    """
    summed = counts.group_by("moment").agg(pl.col("rows").sum()).sort("moment")
    total, nulls = int(summed["rows"].sum()), int(summed.filter(pl.col("moment").is_null())["rows"].sum())
    summed = summed.drop_nulls("moment")
    if summed.height < 3:
        raise BadData(f"{summed.height} moments cannot be divided into train, valid and test", hint="split by content")
    # Rows from each moment on: falling. The first moment stays with train, one more with valid.
    later = summed["rows"].reverse().cum_sum().reverse()
    test_at = 2 + _nearest(later[2:], test * total)
    valid_at = 1 + _nearest(later[1:test_at], (valid + test) * total)
    tested, judged = int(later[test_at]), int(later[valid_at])
    rows = (total - judged, judged - tested, tested)
    return Dates(summed["moment"][valid_at], summed["moment"][test_at], rows, nulls)


def _nearest(values: pl.Series, wanted: float) -> int:
    """The place of the value nearest to what is wanted; of two that are as near the later one."""
    away = (values.cast(pl.Float64) - wanted).abs()
    return len(away) - 1 - int(away.reverse().arg_min() or 0)
