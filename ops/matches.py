"""Texts cut at the matches of a pattern, so that matches can be worked on as a column, and joined again."""

from __future__ import annotations

import polars as pl

from ops.errors import BadData

# Code points that Unicode keeps for internal use: a mark that no text has is found among them.
_MARKS = [chr(code) for code in range(0xFDD0, 0xFDF0)]


def unused_marks(text: pl.Series, count: int, *, step: str) -> list[str]:
    """Characters that no text has.

    Raises:
        BadData: the texts use so many of those kept for internal use that not enough are left.
    """
    found: list[str] = []
    for mark in _MARKS:
        if len(found) == count:
            break
        if not text.str.contains(mark, literal=True).any():
            found.append(mark)
    if len(found) < count:
        message = f"{step}: the text uses every code point that Unicode keeps for internal use"
        raise BadData(message, hint="control_characters")
    return found


def cut(text: pl.Series, expression: str, *, step: str) -> pl.DataFrame:
    """The texts cut at the matches: row, value (a part), and whether it is a match.

    A group `value` at the end of the expression is the part that counts; what stands before it goes to the part before.
    """
    (mark,) = unused_marks(text, 1, step=step)
    front, group, value = expression.partition("(?P<value>")
    if group:
        marked = text.str.replace_all(f"(?P<front>{front}){group}{value}", f"${{front}}{mark}${{value}}{mark}")
    else:
        marked = text.str.replace_all(expression, f"{mark}${{0}}{mark}")
    table = marked.str.split(mark).alias("value").to_frame().with_row_index("row").explode("value")
    return table.with_columns((pl.int_range(pl.len(), dtype=pl.UInt32).over("row") % 2 == 1).alias("matched"))


def joined(parts: pl.DataFrame) -> pl.DataFrame:
    """The texts of parts in order, with the columns row and value."""
    return parts.group_by("row", maintain_order=True).agg(pl.col("value").str.join(""))
