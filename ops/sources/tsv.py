"""TSV files."""

from __future__ import annotations

from typing import Literal

from ops.sources.delimited_source import DelimitedSource


class Tsv(DelimitedSource):
    """Tab-separated values: as CSV, but no sign quotes unless the recipe names one."""

    kind: Literal["tsv"] = "tsv"
    """Tab-separated values."""
    separator: str = "\t"
    """Sign between two fields, one ASCII character."""
    quote: str | None = None
    """Sign around fields that hold tabs or line ends, one ASCII character; null (the default) where no sign quotes."""
