"""CSV files."""

from __future__ import annotations

from typing import Literal

from ops.sources.delimited_source import DelimitedSource


class Csv(DelimitedSource):
    """Comma-separated values (RFC 4180), with a declared type for every column.

    Records that break the grammar, have another number of fields, or hold a cell that is not of its column's type are
    rejected one by one; `ops/sources/delimited.py` has the grammar, `ops/sources/values.py` the types.
    """

    kind: Literal["csv"] = "csv"
    """Comma-separated values."""
