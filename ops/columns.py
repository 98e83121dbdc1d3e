"""What steps share when they read and replace columns: a clear error for a wrong column, and counting of changes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import polars as pl

from ops.errors import ConfigError
from ops.steps import Outcome

TEXT: tuple[pl.DataType, ...] = (pl.String(),)
BYTES: tuple[pl.DataType, ...] = (pl.Binary(),)

WHITE = r"[^\S ]\s*| \s+"
"""A run of white space other than one space. Passing over single spaces is three times as fast as replacing them."""


def require(table: pl.DataFrame, names: Sequence[str], *, step: str, types: Sequence[pl.DataType] = ()) -> None:
    """Check that the table has the columns, each of one of `types` (any type when empty).

    Raises:
        ConfigError: names the step, the column and the nearest column that there is.
    """
    for name in names:
        if name not in table.columns:
            near = difflib.get_close_matches(name, table.columns, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(table.columns)}"
            raise ConfigError(f"{step}: the table has no column {name!r}", hint=advice)
        if types and table.schema[name] not in types:
            wanted = " or ".join(str(t) for t in types)
            raise ConfigError(f"{step}: column {name!r} is {table.schema[name]}, not {wanted}")


def rewritten(table: pl.DataFrame, column: str, new: pl.Expr | pl.Series, reason: str) -> Outcome:
    """Replace a column, counting under `reason` the rows whose value is not what it was (null equals null)."""
    result = table.with_columns(new.alias(column))
    count = int((result[column].ne_missing(table[column])).sum())
    return Outcome.mapped(result, {reason: count})


def dropped_where(table: pl.DataFrame, reasons: pl.Series, evidence: pl.Series, *, step: str) -> Outcome:
    """Drop the rows that have a reason (not null), with their evidence; the two series are in the table's row order."""
    marked = table.with_columns(reasons.cast(pl.String).alias("__reason"), evidence.cast(pl.String).alias("__evidence"))
    reason, proof = pl.col("__reason"), pl.col("__evidence")
    outcome = Outcome.split(marked, keep=reason.is_null(), step=step, reason=reason, evidence=proof)
    return Outcome(kept=outcome.kept.drop("__reason", "__evidence"), dropped=outcome.dropped)


def in_words(columns: Iterable[str]) -> pl.Expr:
    """Each row in words, as `age 41 · job nurse`, for a reader."""
    values = (pl.format("{} {}", pl.lit(name), pl.col(name).cast(pl.String).fill_null("–")) for name in columns)
    return pl.concat_str(list(values), separator=" · ")
