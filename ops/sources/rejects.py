"""Rejects: what a source could not turn into a row, with place and reason, so that nothing is lost in silence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import polars as pl

EXCERPT_BYTES = 256
DETAIL_CHARACTERS = 200

REJECTS_SCHEMA: dict[str, pl.DataType] = {
    "file": pl.String(),
    "line": pl.Int64(),
    "offset": pl.Int64(),
    "reason": pl.String(),
    "detail": pl.String(),
    "excerpt": pl.Binary(),
}


class Reject(NamedTuple):
    """One record that is no row.

    Attributes:
        file: name of the file, relative to the recipe's folder.
        line: physical line where the record begins, from 1; for formats without lines the number of the row; or null.
        offset: byte in the file where the record begins, from 0, or null where it is not known.
        reason: one word, e.g. `wrong_column_count`.
        detail: what exactly is wrong.
        excerpt: the first bytes of the record.
    """

    file: str
    line: int | None
    offset: int | None
    reason: str
    detail: str
    excerpt: bytes


def reject_frame(rejects: Iterable[Reject] = ()) -> pl.DataFrame:
    """The rejects as a table of `REJECTS_SCHEMA`; excerpts and details are cut to their limits."""
    columns = [list(column) for column in zip(*rejects, strict=True)] or [[] for _ in REJECTS_SCHEMA]
    frame = dict(zip(REJECTS_SCHEMA, columns, strict=True))
    frame["detail"] = [printable(detail)[:DETAIL_CHARACTERS] for detail in frame["detail"]]
    frame["excerpt"] = [excerpt[:EXCERPT_BYTES] for excerpt in frame["excerpt"]]
    return pl.DataFrame(frame, schema=REJECTS_SCHEMA)


def printable(text: str) -> str:
    """The text with what UTF-8 cannot carry (lone surrogates) written as escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
