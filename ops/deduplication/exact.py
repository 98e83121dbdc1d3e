"""Exact duplicates over the whole corpus: the first copy stays, or none where copies contradict each other."""

from __future__ import annotations

from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from ops.columns import require
from ops.deduplication.base import Deduplication
from ops.deduplication.hashing import HASH_BYTES, Normalise, is_blank, row_hashes

_EVIDENCE_LABELS = 5


class ExactDuplicates(Deduplication):
    """Drop rows whose content repeats that of an earlier row, in the order of partitions and rows.

    Rows are compared by the first 16 bytes of SHA-256 over the content (`ops/deduplication/hashing.py`): with a billion
    rows the chance that any two different ones agree is below 2e-21. Empty content never counts as equal.
    """

    kind: Literal["exact_duplicates"] = "exact_duplicates"
    """Rows that repeat another row dropped."""
    columns: list[str] = Field(default=["text"], min_length=1)
    """The columns that are compared."""
    normalise: Normalise = "whitespace_case"
    """Compare byte by byte, in lower case with white space collapsed, or by letters and digits in lower case only."""
    conflict_label: str | None = None
    """A column in which copies should agree; null looks at the compared columns only."""
    conflict: Literal["drop", "keep_first"] = "drop"
    """What happens to copies that disagree: all are dropped (conflicting_label), or the first is kept."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "image", "table", "sound"})
    thresholds: ClassVar[frozenset[str]] = frozenset({"conflict"})
    by_content: ClassVar[bool] = True

    def signatures(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return (id, hash, label): 16 bytes, null where the content is empty, and the label as text or null."""
        columns = [*self.columns, *([self.conflict_label] if self.conflict_label is not None else [])]
        require(table, columns, step=self.kind)
        flat = row_hashes(table, self.columns, self.normalise).tobytes()
        hashes = [flat[start : start + HASH_BYTES] for start in range(0, len(flat), HASH_BYTES)]
        blank = pl.all_horizontal(is_blank(column, table.schema[column], self.normalise) for column in self.columns)
        label = pl.lit(None) if self.conflict_label is None else pl.col(self.conflict_label)
        return table.select(
            pl.col("id"),
            pl.when(~blank).then(pl.Series("hash", hashes, dtype=pl.Binary)).alias("hash"),
            label.cast(pl.String).alias("label"),
        )

    def fold(self, signatures: pl.DataFrame) -> pl.DataFrame:
        """Return (id, reason, evidence) of the rows to drop, given the signatures of all partitions in their order.

        Reason `duplicate` has the id of the row that is kept as evidence; `conflicting_label` has the labels.
        """
        named = signatures.filter(pl.col("hash").is_not_null())
        repeated = named.group_by("hash", maintain_order=True).agg(
            pl.col("id").first().alias("first"), pl.len().alias("copies"), pl.col("label").drop_nulls().unique().sort()
        )
        repeated = repeated.filter(pl.col("copies") > 1).select("hash", "first", pl.col("label").alias("labels"))
        rows = named.join(repeated, on="hash", how="inner", maintain_order="left")
        conflicting = (pl.col("labels").list.len() > 1) & pl.lit(self.conflict == "drop")
        shown = pl.col("labels").list.head(_EVIDENCE_LABELS).list.join(" | ")
        return rows.filter(conflicting | (pl.col("id") != pl.col("first"))).select(
            pl.col("id"),
            pl.when(conflicting).then(pl.lit("conflicting_label")).otherwise(pl.lit("duplicate")).alias("reason"),
            pl.when(conflicting).then(shown).otherwise(pl.col("first")).alias("evidence"),
        )
