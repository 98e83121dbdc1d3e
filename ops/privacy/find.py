"""Finding what patterns match in whole columns, and putting something else in its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from ops.errors import BadData
from ops.privacy.patterns import PATTERNS, Pattern

FOUND: dict[str, pl.DataType] = {"row": pl.UInt32(), "kind": pl.String(), "value": pl.String()}
"""Columns of what is found: number of the row, kind, and the text found."""

Replace = Callable[[str, pl.DataFrame, pl.DataFrame], pl.Series]
"""From a kind, what was found now, and what was found of it before, to what stands in the places of the former."""

# Code points that Unicode keeps for internal use: a mark that no text has is found among them.
_MARKS = [chr(code) for code in range(0xFDD0, 0xFDF0)]
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
    joined = (
        parts.with_columns(values.alias("value")).group_by("row", maintain_order=True).agg(pl.col("value").str.join(""))
    )
    return text.scatter(joined["row"], joined["value"])


def _parts(text: pl.Series, expression: str) -> pl.DataFrame:
    """The texts cut at the matches: row, place among all parts, value, whether it is a match, what is on both sides."""
    mark = _unused_mark(text)
    front, group, value = expression.partition("(?P<value>")
    if group:
        # Only the group counts: what stands before it goes back in front of the mark.
        marked = text.str.replace_all(f"(?P<front>{front}){group}{value}", f"${{front}}{mark}${{value}}{mark}")
    else:
        marked = text.str.replace_all(expression, f"{mark}${{0}}{mark}")
    table = marked.str.split(mark).alias("value").to_frame().with_row_index("row").explode("value")
    matched = (pl.int_range(pl.len(), dtype=pl.UInt32).over("row") % 2 == 1).alias("matched")
    before, after = pl.col("value").shift(1).str.tail(_CONTEXT), pl.col("value").shift(-1).str.head(_CONTEXT)
    return table.with_row_index("place").with_columns(
        matched, before.fill_null("").alias("before"), after.fill_null("").alias("after")
    )


def _unused_mark(text: pl.Series) -> str:
    for mark in _MARKS:
        if not text.str.contains(mark, literal=True).any():
            return mark
    raise BadData(
        "personal_data: the text uses every code point that Unicode keeps for internal use", hint="control_characters"
    )
