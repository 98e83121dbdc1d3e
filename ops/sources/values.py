"""From cells to typed values: the six types that a schema may name, and the strict rules by which text becomes one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import polars as pl

ColumnType = Literal["string", "int64", "float64", "bool", "date", "datetime"]

DTYPES: dict[str, pl.DataType] = {
    "string": pl.String(),
    "int64": pl.Int64(),
    "float64": pl.Float64(),
    "bool": pl.Boolean(),
    "date": pl.Date(),
    "datetime": pl.Datetime("us", "UTC"),
}

TRUE = ["true", "True", "TRUE", "1"]
FALSE = ["false", "False", "FALSE", "0"]

_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-5][0-9](\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?$"


def parse_text(text: pl.Series, kind: ColumnType, pattern: str | None = None) -> pl.Series:
    """Strings as values of one type; null where the text is null or no such value.

    No inference and no trimming: `int64` is an optional sign and digits within 64 bits, `float64` what C's strtod
    reads in decimal, `bool` one of true/false/1/0, `date` ISO 8601 (YYYY-MM-DD), `datetime` ISO 8601 with date and time
    (without an offset it is taken as UTC), both within the years 1 to 9999.

    Args:
        text: the cells.
        kind: name of the type.
        pattern: strptime format instead of ISO 8601, for `date` and `datetime`; `%Y` is four digits.
    """
    if kind == "string":
        return text
    if kind in ("int64", "float64"):
        return text.cast(DTYPES[kind], strict=False)
    if kind == "bool":
        known = pl.DataFrame({"text": TRUE + FALSE, "value": [True] * len(TRUE) + [False] * len(FALSE)})
        return text.replace_strict(known["text"], known["value"], default=None, return_dtype=pl.Boolean)
    parsed = _parse_date(text, pattern) if kind == "date" else _parse_datetime(text, pattern)
    year = pl.col("v").dt.year()
    sound = year.is_between(1, 9999)
    if pattern is not None:
        # strptime takes the 20 of "20-01-05" for the year 20.
        written = pl.col("t").str.contains(year.cast(pl.String).str.zfill(4), literal=True)
        sound = sound & ((year >= 1000) | written)
    return pl.DataFrame({"v": parsed, "t": text}).select(pl.when(sound).then("v"))["v"]


def _parse_date(text: pl.Series, pattern: str | None) -> pl.Series:
    if pattern is None:
        text = _only(text, _DATE)
    return text.str.to_date(pattern or "%Y-%m-%d", strict=False)


def _parse_datetime(text: pl.Series, pattern: str | None) -> pl.Series:
    if pattern is not None:
        parsed = text.str.to_datetime(pattern, time_unit="us", strict=False)
        return _utc(parsed)
    whole = _only(text, _TIME).to_frame("t")
    column = pl.col("t").str.replace("T", " ", literal=True).str.replace("Z$", "+0000")
    column = column.str.replace(r"([+-][0-9]{2}):([0-9]{2})$", "$1$2")
    # Seconds are optional in the standard: a bare HH:MM gets them, so that one format reads every row.
    column = column.str.replace(r"^(.{11}[0-9]{2}:[0-9]{2})([+-]|$)", "$1:00$2")
    column = pl.when(column.str.contains(r"[+-][0-9]{4}$")).then(column).otherwise(column + "+0000")
    filled = whole.select(column.alias("t"))["t"]
    return _utc(filled.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", time_unit="us", strict=False))


def _only(text: pl.Series, pattern: str) -> pl.Series:
    return text.to_frame("t").select(pl.when(pl.col("t").str.contains(pattern)).then("t"))["t"]


def _utc(values: pl.Series) -> pl.Series:
    aware = isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone is not None
    return values.dt.convert_time_zone("UTC") if aware else values.dt.replace_time_zone("UTC")


def convert(values: pl.Series, kind: ColumnType, pattern: str | None = None) -> pl.Series | None:
    """Typed values (of a Parquet column) as values of one declared type, without loss.

    Returns:
        The values, null where one cannot be carried over exactly; or null where the two types have nothing to do with
        each other.
    """
    have = values.dtype
    if have == pl.Categorical or isinstance(have, pl.Enum):
        values, have = values.cast(pl.String), pl.String()
    if have == DTYPES[kind]:
        return values
    if have == pl.String and kind != "string":
        return parse_text(values, kind, pattern)
    if have == pl.Null:
        return values.cast(DTYPES[kind])
    if kind == "string":
        return _decoded(values) if have == pl.Binary else None
    if kind in ("int64", "float64") and have.is_numeric() and not have.is_decimal():
        return _exactly(values, DTYPES[kind])
    if kind == "datetime" and isinstance(have, pl.Datetime):
        return _exactly(_utc(values), DTYPES[kind])
    return None


def _decoded(values: pl.Series) -> pl.Series:
    try:
        return values.cast(pl.String)
    except pl.exceptions.PolarsError:
        return pl.Series(values.name, [_text(value) for value in values], dtype=pl.String)


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _exactly(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Cast, and null where casting back does not give the same value (NaN counts as itself)."""
    there = values.cast(dtype, strict=False)
    back = there.cast(values.dtype, strict=False)
    same = pl.col("back").eq_missing(pl.col("values"))
    if values.dtype.is_float() and dtype.is_integer():
        # Beyond 2^53 neighbouring integers share one float: which of them was meant is not known.
        same = same & (pl.col("values").abs() <= 2.0**53)
    if values.dtype.is_integer() and dtype.is_float():
        same = same & pl.col("values").is_between(-(2**53), 2**53)
    table = pl.DataFrame({"there": there, "back": back, "values": values})
    return table.select(pl.when(same).then("there"))["there"]


def not_finite(values: pl.Series) -> pl.Series:
    """True where a float is NaN or infinite."""
    return (~values.is_finite()).fill_null(False)


def first_faults(
    before: Mapping[str, pl.Series],
    after: Mapping[str, pl.Series],
    kinds: Mapping[str, ColumnType],
    keep_non_finite: bool,
) -> list[tuple[int, str, str]]:
    """The rows that lost a value on the way from `before` to `after`.

    Args:
        before: cells as they were, by column.
        after: typed values, null where a cell did not become one.
        kinds: declared type by column, in the order in which faults are named.
        keep_non_finite: whether NaN and infinities are values.

    Returns:
        (row, reason, detail) of the first fault of each faulty row, in the order of rows.
    """
    found: dict[int, tuple[str, str]] = {}
    for name, kind in kinds.items():
        lost = after[name].is_null() & before[name].is_not_null()
        odd = not_finite(after[name]) if kind == "float64" and not keep_non_finite else None
        if odd is not None and odd.any():
            lost = lost | odd
        if not lost.any():
            continue
        for row in lost.arg_true().to_list():
            if row in found:
                continue
            reason = "not_finite" if odd is not None and odd[row] else f"not_{kind}"
            if before[name].dtype == pl.Binary:
                reason = "bad_utf8"
            found[row] = (reason, f"{name}: {str(before[name][row])[:100]!r}")
    return [(row, *found[row]) for row in sorted(found)]
