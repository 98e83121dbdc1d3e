"""Moments and what a zone's clocks show: times that they skip or show twice, and even steps."""

from __future__ import annotations

import datetime as dt

import polars as pl

UTC = pl.Datetime("us", "UTC")
DAY = 86_400_000_000
"""Microseconds of a day without a change of clocks."""
_MONDAY = 4 * DAY
"""The first Monday since 1970."""


def resolved(
    local: pl.Series, groups: pl.DataFrame, zone: str, ambiguous: str, nonexistent: str
) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Moments (UTC) of what a zone's clocks show; which are skipped (null, unless resolved), which are there twice.

    Args:
        local: (N,) what the clocks show.
        groups: (N, G) what tells series apart.
        zone: their zone.
        ambiguous: of those that are there twice the `latest`, as they come `in_order`, or (any other word) the first.
        nonexistent: `after` takes what is skipped by the offset from before the skip.
    """
    early = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    late = local.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null")
    skipped = early.is_null() & local.is_not_null()
    twice = (early != late).fill_null(False)
    chosen = late if ambiguous == "latest" else early
    if ambiguous == "in_order" and twice.any():
        chosen = early.zip_with(~_again(local, groups, twice), late)
    if nonexistent == "after" and skipped.any():
        # No zone skips more than three hours but for whole days, which stay null.
        before = (local - dt.timedelta(hours=3)).dt.replace_time_zone(zone, ambiguous="latest", non_existent="null")
        chosen = chosen.zip_with(~skipped, before + dt.timedelta(hours=3))
    return chosen.dt.convert_time_zone("UTC"), skipped, twice


def _again(local: pl.Series, groups: pl.DataFrame, twice: pl.Series) -> pl.Series:
    """Whether a time that is there twice is the second: once clocks have gone back, or stood, all behind it are."""
    rows = pl.DataFrame([local.alias("__local"), *groups]).with_row_index("__place").filter(twice)
    over = [*groups.columns, pl.col("__local").dt.date()]
    back = (pl.col("__local").diff() <= dt.timedelta(0)).fill_null(False)
    second = rows.select("__place", back.cum_max().over(over).alias("again")).filter("again")["__place"]
    return pl.Series([False]).new_from_index(0, len(local)).scatter(second, True)


def phase(moments: pl.Series, zone: str | None, step: int) -> pl.Series:
    """(N,) microseconds that a moment lies beyond the grid of a step (in microseconds).

    Whole days are days of the zone's clocks, whole weeks of them begin on Mondays; other steps are counted from
    midnight by the zone's standard time, so that they are even where clocks change.
    """
    if zone is None:
        return moments.dt.epoch("us") % step
    if step % DAY == 0:
        return (shown(moments, zone).dt.epoch("us") - (_MONDAY if step % (7 * DAY) == 0 else 0)) % step
    standard = moments.dt.convert_time_zone(zone).dt.base_utc_offset().dt.total_microseconds()
    return (moments.dt.epoch("us") + standard) % step


def shown(moments: pl.Series, zone: str) -> pl.Series:
    """What the clocks of a zone show."""
    return moments.dt.convert_time_zone(zone).dt.replace_time_zone(None)


def lacking(moments: pl.Series, before: pl.Series, zone: str | None, step: int) -> pl.Series:
    """(N,) how many steps lie between a moment and the one `before` it; null where there is none."""
    if zone is not None and step % DAY == 0:
        # A time moved behind a skip is an hour late.
        apart = (shown(moments, zone) - shown(before, zone)).dt.total_microseconds() + step // 2
    else:
        apart = (moments - before).dt.total_microseconds()
    return apart // step - 1


def earlier(moments: pl.Series, back: pl.Series, zone: str | None, step: int) -> pl.Series:
    """(N,) the moments so many steps `back`."""
    apart = (back * step).cast(pl.Duration("us"))
    if zone is None or step % DAY:
        return moments - apart
    local = shown(moments, zone) - apart
    found, _, _ = resolved(local, pl.DataFrame(), zone, "earliest", "after")
    return found.zip_with(found.is_not_null(), moments - apart).cast(UTC)
