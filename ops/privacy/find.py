"""Finding what patterns match in whole columns, and putting something else in its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from ops.matches import cut, joined
from ops.privacy.patterns import PATTERNS, Pattern

FOUND: dict[str, pl.DataType] = {"row": pl.UInt32(), "kind": pl.String(), "value": pl.String()}
"""Columns of what is found: number of the row, kind, and the text found."""

Replace = Callable[[str, pl.DataFrame, pl.DataFrame], pl.Series]
"""From a kind, what was found now, and what was found of it before, to what stands in the places of the former."""

_CONTEXT = 48
"""Characters beside a candidate that are looked at."""


def replace_kinds(text: pl.Series, kinds: Sequence[str], replace: Replace) -> tuple[pl.Series, pl.DataFrame]:
    """The texts with other words for what is found of the kinds, and what was found.

    The kinds are looked for in the order of `PATTERNS`, each in what those before it have left: where two overlap, the
    earlier kind wins, and within a kind the one that begins first.

    Raises:
        BadData: the texts use every code point that Unicode keeps for internal use.
    """
    # Below, `scatter` changes a series in place.
    text, found = text.clone(), [pl.DataFrame(schema=FOUND)]
    for kind in (kind for kind in PATTERNS if kind in kinds):
        of_kind = [pl.DataFrame(schema=FOUND)]
        for pattern in PATTERNS[kind]:
            for expression in pattern.found:
                parts = _candidates(text, kind, pattern, expression)
                values = parts.filter("holds").select("row", "kind", "value")
                if len(values):
                    others = replace(kind, values, pl.concat(of_kind))
                    text, of_kind = _rejoined(text, parts, others), [*of_kind, values]
        found += of_kind
    return text, pl.concat(found)


def _candidates(text: pl.Series, kind: str, pattern: Pattern, expression: str) -> pl.DataFrame:
    """The texts that have the pattern, cut into parts; those that hold are marked."""
    rows = text.str.contains(pattern.likely).fill_null(False).arg_true()
    rows = rows.filter(text.gather(rows).str.contains(expression))
    parts = _parts(text.gather(rows), expression)
    parts = parts.with_columns(rows.gather(parts["row"]).cast(pl.UInt32).alias("row"), pl.lit(kind).alias("kind"))
    if pattern.holds is None or parts.is_empty():
        return parts.with_columns(pl.col("matched").alias("holds"))
    matches = parts.filter("matched")
    places = matches["place"].filter(pattern.holds(matches))
    return parts.with_columns(pl.col("place").is_in(places.implode()).alias("holds"))


def _rejoined(text: pl.Series, parts: pl.DataFrame, others: pl.Series) -> pl.Series:
    """The texts with the parts that hold replaced by the others, in order."""
    values = parts["value"].scatter(parts["holds"].arg_true(), others)
    texts = joined(parts.with_columns(values.alias("value")))
    return text.scatter(texts["row"], texts["value"])


def _parts(text: pl.Series, expression: str) -> pl.DataFrame:
    """The texts cut at the matches, with the number of each part, and what is on its sides."""
    before, after = pl.col("value").shift(1).str.tail(_CONTEXT), pl.col("value").shift(-1).str.head(_CONTEXT)
    return (
        cut(text, expression, step="personal_data")
        .with_row_index("place")
        .with_columns(before.fill_null("").alias("before"), after.fill_null("").alias("after"))
    )
