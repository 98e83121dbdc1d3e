"""What sources of rows with named columns share: the declared schema, its checks, and the step from cells to rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import ClassVar, Literal

import polars as pl
from pydantic import ConfigDict, Field, PositiveInt, model_validator

from ops.errors import BadData
from ops.sources.base import Modality
from ops.sources.files import FileSource, nearest
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
    extra_columns: Literal["error", "drop"] = "error"
    """What happens to columns or fields of the file that are not declared."""
    non_finite: Literal["reject", "keep"] = "reject"
    """Whether a row with NaN or an infinity in a float64 column is rejected or kept as it is."""
    max_record_bytes: PositiveInt = 16 << 20
    """Longest record; a longer one is rejected."""

    @model_validator(mode="after")
    def _consistent(self) -> TableSource:
        taken = [name for name in self.declared if name in RESERVED or not name]
        if taken:
            raise ValueError(
                f"{taken[0]!r} is a reserved name: say `rename: {{other: {taken[0]}}}` for a column `other`"
            )
        for key in [*self.rename, *self.formats]:
            if key not in self.declared:
                raise ValueError(f"{key!r} is not one of the columns{nearest(key, list(self.declared))}")
        if len(set(self.in_file.values())) != len(self.declared):
            raise ValueError("two columns have one name in the file")
        for key, pattern in self.formats.items():
            _check_format(key, self.declared[key], pattern)
        return self

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """The declared columns and their polars types."""
        return {name: DTYPES[kind] for name, kind in self.declared.items()}

    @property
    def in_file(self) -> dict[str, str]:
        """Name in the file by column."""
        return {name: self.rename.get(name, name) for name in self.declared}

    def placed(self, values: Mapping[str, pl.Series], file: str, lines: Iterable[int] | pl.Series) -> pl.DataFrame:
        """The table of a batch: the declared columns, then `file` and `line`."""
        table = pl.DataFrame({name: values[name] for name in self.declared}, schema=self.columns)
        line = pl.Series("line", lines, dtype=pl.Int64)
        return table.with_columns(pl.lit(file, dtype=pl.String).alias("file"), line)


def _check_format(column: str, kind: ColumnType, pattern: str) -> None:
    if kind not in ("date", "datetime"):
        raise ValueError(f"a format for {column!r}, which is {kind}: only date and datetime have one")
    try:
        parse_text(pl.Series(["2000-01-01"]), kind, pattern)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"the format {pattern!r} of {column!r} cannot be used: {str(error).splitlines()[0]}") from None


def mismatch(expected: Sequence[str], got: Sequence[str]) -> str:
    """A table of three columns (expected, got, hint) over the names that differ, one line each, headed."""
    missing = [name for name in expected if name not in got]
    extra = [name for name in got if name not in expected]
    rows = [("expected", "got", "hint")]
    for name in missing:
        near = _nearest_of(name, extra)
        if near is not None:
            extra.remove(near)
            rows.append((name, near, f"renamed? say `rename: {{{name}: {near}}}`"))
        else:
            rows.append((name, "-", "missing in the file"))
    rows.extend(("-", name, "declare it, or say `extra_columns: drop`") for name in extra)
    twice = sorted({name for name in got if got.count(name) > 1})
    rows.extend((name, f"{name} x{got.count(name)}", "a name may occur once") for name in twice)
    return table_text(rows)


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
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    return close[0] if close else None
