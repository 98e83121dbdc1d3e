"""What sources of rows with named columns share: the declared schema, its checks, and the step from cells to rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, ClassVar, Literal

import polars as pl
from pydantic import ConfigDict, Field, PositiveInt, model_validator

from ops.errors import BadData
from ops.sources.base import Modality
from ops.sources.files import FileSource
from ops.sources.places import nearest
from ops.sources.values import DTYPES, ColumnType, parse_text

# Names that the stages behind give a meaning of their own.
RESERVED = ("id", "file", "line", "split", "copy")


class TableSource(FileSource):
    """Base of CSV, TSV, NDJSON and Parquet: an explicit schema, and nothing is guessed from the data."""

    model_config = ConfigDict(serialize_by_alias=True)
    modality: ClassVar[Modality] = "table"

    declared: dict[str, ColumnType] = Field(alias="columns", min_length=1)
    """Type of each column: string, int64, float64, bool, date or datetime (kept in UTC)."""
    rename: dict[str, str] = {}
    """Name in the file, by column, where it is another one."""
    formats: dict[str, str] = {}
    """strptime format by column, for dates and times that are not ISO 8601 (`%d/%m/%Y`)."""
    moments: dict[str, Annotated[list[str], Field(min_length=3, max_length=5)]] = {}
    """Columns made of whole numbers in others: a datetime in UTC of year, month, day and perhaps hour and minute; null
    where they are no moment (a 31st of June)."""
    copies: dict[str, str] = {}
    """Columns that are a copy of another, as a truth that no step of cleaning fills in or changes."""
    extra_columns: Literal["error", "drop"] = "error"
    """What happens to columns or fields of the file that are not declared."""
    non_finite: Literal["reject", "keep"] = "reject"
    """Whether a row with NaN or an infinity in a float64 column is rejected or kept as it is."""
    max_record_bytes: PositiveInt = 16 << 20
    """Longest record; a longer one is rejected."""

    @model_validator(mode="after")
    def _consistent(self) -> TableSource:
        taken = [name for name in self.columns if name in RESERVED or not name]
        if taken:
            kind = self.declared.get(taken[0])
            said = (
                f": call it otherwise, as `columns: {{row: {kind}}}` and `rename: {{row: {taken[0]}}}`" if kind else ""
            )
            raise ValueError(f"{taken[0]!r} is a reserved name{said}")
        for key in [*self.rename, *self.formats]:
            if key not in self.declared:
                raise ValueError(f"{key!r} is not one of the columns{nearest(key, list(self.declared))}")
        if len(set(self.in_file.values())) != len(self.declared):
            raise ValueError("two columns have one name in the file")
        for key, pattern in self.formats.items():
            _check_format(key, self.declared[key], pattern)
        for key in [*self.moments, *self.copies]:
            if key in self.declared or (key in self.moments and key in self.copies):
                raise ValueError(f"there are two columns {key!r}")
        for key, parts in [*self.moments.items(), *((key, [name]) for key, name in self.copies.items())]:
            for name in parts:
                if name not in self.declared:
                    raise ValueError(f"{key!r} is made of {name!r}, no column{nearest(name, list(self.declared))}")
                if key in self.moments and self.declared[name] != "int64":
                    raise ValueError(f"{key!r} is made of {name!r}, which is {self.declared[name]}, not int64")
        return self

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """The declared columns and those made of them, with their polars types."""
        found = {name: DTYPES[kind] for name, kind in self.declared.items()}
        found |= dict.fromkeys(self.moments, DTYPES["datetime"])
        return found | {name: found[there] for name, there in self.copies.items() if there in found}

    @property
    def in_file(self) -> dict[str, str]:
        """Name in the file by column."""
        return {name: self.rename.get(name, name) for name in self.declared}

    def placed(self, values: Mapping[str, pl.Series], file: str, lines: Iterable[int] | pl.Series) -> pl.DataFrame:
        """The table of a batch: the declared columns, those made of them, then `file` and `line`."""
        schema = {name: DTYPES[kind] for name, kind in self.declared.items()}
        table = pl.DataFrame({name: values[name] for name in self.declared}, schema=schema)
        made = [_moment(parts).alias(name) for name, parts in self.moments.items()]
        made += [pl.col(there).alias(name) for name, there in self.copies.items()]
        table = table.with_columns(made) if made else table
        line = pl.Series("line", lines, dtype=pl.Int64)
        return table.with_columns(pl.lit(file, dtype=pl.String).alias("file"), line)


def _moment(parts: Sequence[str]) -> pl.Expr:
    """The moment of columns of year, month, day, and perhaps hour and minute; null where there is none such."""
    whole = [*(pl.col(name) for name in parts), *[pl.lit(0, pl.Int64)] * (5 - len(parts))]
    # As text, because numbers out of range must make a null and not an error.
    return pl.format("{}-{}-{} {}:{}", *whole).str.to_datetime(
        "%Y-%m-%d %H:%M", strict=False, time_unit="us", time_zone="UTC"
    )


def _check_format(column: str, kind: ColumnType, pattern: str) -> None:
    if kind not in ("date", "datetime"):
        raise ValueError(f"a format for {column!r}, which is {kind}: only date and datetime have one")
    try:
        parse_text(pl.Series(["2000-01-01"]), kind, pattern)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"the format {pattern!r} of {column!r} cannot be used: {str(error).splitlines()[0]}") from None


SHOWN, NAME_SHOWN = 20, 100
"""Names of each sort that a message lists, and how much of one."""
LOOKED_AT = 1000
"""Among so many names the nearest is sought: comparing each pair takes time."""


def mismatch(expected: Sequence[str], got: Sequence[str]) -> str:
    """A table of three columns (expected, got, hint) over the names that differ, one line each, headed."""
    counts, wanted = Counter(got), set(expected)
    missing = [name for name in expected if name not in counts]
    extra = [name for name in got if name not in wanted]
    rows = [("expected", "got", "hint")]
    for name in missing[:SHOWN]:
        near = _nearest_of(name, extra)
        if near is not None:
            extra.remove(near)
            rows.append((name, near, f"renamed? say `rename: {{{name}: {near}}}`"))
        else:
            rows.append((name, "-", "missing in the file"))
    rows.extend(("-", name[:NAME_SHOWN], "declare it, or say `extra_columns: drop`") for name in extra[:SHOWN])
    twice = sorted(name for name, count in counts.items() if count > 1)
    rows.extend((name, f"{name} x{counts[name]}", "a name may occur once") for name in twice[:SHOWN])
    left = sum(max(len(names) - SHOWN, 0) for names in (missing, extra, twice))
    return table_text(rows) + (f"\n  and {left:,} more" if left else "")


def table_text(rows: Sequence[tuple[str, str, str]]) -> str:
    """Rows of three cells as aligned lines, each on a new line."""
    widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
    return "".join(f"\n  {a:<{widths[0]}}  {b:<{widths[1]}}  {c}".rstrip() for a, b, c in rows)


def check_names(source: TableSource, got: Sequence[str], file: str) -> None:
    """Compare the columns that a file has with the declared ones.

    Raises:
        BadData: one is missing, occurs twice, or is not declared (unless `extra_columns: drop`).
    """
    expected = list(source.in_file.values())
    relevant = [name for name in got if name in expected] if source.extra_columns == "drop" else list(got)
    if sorted(relevant) == sorted(expected):
        return
    shown = list(got) if set(expected) - set(got) or source.extra_columns == "error" else relevant
    raise BadData(f"its columns are not the declared ones:{mismatch(expected, shown)}", where=file)


def _nearest_of(name: str, names: list[str]) -> str | None:
    folded = [other for other in names if other.strip().casefold() == name.strip().casefold()]
    if folded:
        return folded[0]
    close = get_close_matches(name, names[:LOOKED_AT], n=1, cutoff=0.5)
    return close[0] if close else None
