"""Values that must occur in a column of another file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

import polars as pl
from pydantic import Field, PrivateAttr

from ops.columns import require
from ops.named_file import column_of, named_bytes
from ops.steps import Facts, Outcome, Step

_EVIDENCE_CHARACTERS = 100
_READERS = (".csv", ".tsv", ".parquet", ".txt")


class References(Step):
    """Drop rows whose value does not occur in a column of a file: the evidence is the value. Nulls refer to nothing.

    Values are compared as text, or as numbers where one side is a column of floats. The file is part of the recipe by
    its SHA-256, so that another content is another recipe, and never another result of the same one.
    """

    kind: Literal["references"] = "references"
    """Rows dropped whose value does not occur in a given file."""
    column: str
    """The column whose values refer to the file."""
    file: str
    """The file, relative to the recipe's folder: .csv or .tsv with a header, .parquet, or .txt with a value a line."""
    key: str | None = None
    """The file's column that has the values; by default the one of the same name. Not for .txt."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the file, as `sha256sum` prints it."""

    _base: Path = PrivateAttr(default_factory=Path)

    @property
    def writes(self) -> frozenset[str]:
        """None: rows are dropped or stay as they are."""
        return frozenset()

    def resolve(self, base: Path) -> Self:
        """A copy that takes relative paths from `base`."""
        copy = self.model_copy()
        copy._base = base.absolute()
        return copy

    def check(self) -> None:
        """Look whether the file is there and is the one that is meant.

        Raises:
            ConfigError: it is not there, or no kind of file that can be read.
            IntegrityError: it has another content.
        """
        self._content()

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the rows whose value occurs in the file."""
        require(table, [self.column], step=self.kind)
        value, known, dtype = pl.col(self.column), self._values(), table.schema[self.column]
        shown = value.cast(pl.String).str.head(_EVIDENCE_CHARACTERS)
        if dtype.is_float() or (known.dtype.is_float() and dtype.is_numeric()):
            number = dtype if dtype.is_float() else pl.Float64()
            known = known.cast(pl.String).cast(pl.Float64, strict=False).cast(number)
            keep = value.is_null() | value.cast(number).is_in(known.drop_nulls().implode())
        else:
            keep = value.is_null() | value.cast(pl.String).is_in(known.cast(pl.String).implode())
        return Outcome.split(table, keep=keep, step=self.kind, reason=self.column, evidence=shown)

    def _content(self) -> bytes:
        return named_bytes(self._base / self.file, self.sha256, _READERS, "the file of references")

    def _values(self) -> pl.Series:
        """The values that may occur; those of a text file as text."""
        named = column_of(self._content(), self._base / self.file, self.key or self.column, "the file of references")
        return named.drop_nulls().unique()
