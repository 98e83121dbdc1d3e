"""Exact duplicates over the whole corpus: the first copy stays, or none where copies contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal

import polars as pl
from pydantic import Field

from ops.columns import require
from ops.deduplication.base import Deduplication, Gone
from ops.deduplication.hashing import HASH_BYTES, Normalise, content_digests, is_blank
from ops.storage import Version

_EVIDENCE_LABELS = 5
_ROWS = 8192
"""Rows that are normalised and hashed at a time."""

_ROW_BYTES = 400
"""Peak memory for each row whose hash is compared."""


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
    memory_mb: Annotated[int, Field(ge=16)] = 128
    """Memory for the hashes that are compared at a time, in MB; changes no result."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "image", "table", "sound"})
    thresholds: ClassVar[frozenset[str]] = frozenset({"conflict"})
    by_content: ClassVar[bool] = True

    def signatures(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return (id, hash, label): 16 bytes, null where the content is empty, and the label as text or null."""
        columns = [*self.columns, *([self.conflict_label] if self.conflict_label is not None else [])]
        require(table, columns, step=self.kind)
        # Some rows at a time: normalised, they are there a second time.
        return pl.concat([self._signed(some) for some in table.iter_slices(_ROWS)] or [self._signed(table)])

    def _signed(self, table: pl.DataFrame) -> pl.DataFrame:
        hashes = [digest[:HASH_BYTES] for digest in content_digests(table, self.columns, self.normalise)]
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
        found = self._repeats(signatures)
        return _worded(found.with_columns(pl.col("labels").fill_null(pl.col("first")).alias("evidence")))

    def decisions(
        self, signed: Mapping[str, Version], paired: Mapping[str, Version], gone: Gone
    ) -> Iterator[tuple[str, pl.DataFrame]]:
        """As `fold`, for one range of hashes after the other, so that memory is bounded; partition by partition."""
        from ops.deduplication.places import Names, places

        name, keys = f"{self.key}.parquet", list(signed)
        entries = [version.manifest.entry(name) for version in signed.values()]
        rows = sum(entry.rows or 0 for entry in entries if entry is not None)
        found: list[pl.DataFrame] = []
        for low, high in _ranges(rows, self.memory_mb << 20):
            within = pl.col("hash").is_not_null() & (pl.col("hash") >= low)
            named = [pl.DataFrame(schema={"id": pl.UInt64, "hash": pl.Binary, "label": pl.String})]
            for number, (partition, version) in enumerate(signed.items()):
                away = gone(partition)
                table = version.parquet(name, ["hash", "label"] if away.is_empty() else None)
                chosen = within if high is None else within & (pl.col("hash") < high)
                chosen = chosen if away.is_empty() else chosen & ~pl.col("id").is_in(away.implode())
                table = table.with_row_index("row").filter(chosen)
                identity = pl.Series("id", places(number, table["row"].to_numpy()), dtype=pl.UInt64)
                named.append(table.select(identity, "hash", "label"))
            found.append(self._repeats(pl.concat(named)))
        repeats = pl.concat(found).sort("id")
        del found
        kept = repeats.filter(pl.col("labels").is_null())["first"].unique().sort().to_numpy()
        names = Names(kept, lambda number: signed[keys[number]].parquet(name, ["id"])["id"])
        for number, (partition, version) in enumerate(signed.items()):
            own = repeats.filter(pl.col("id") // (1 << 32) == number)
            ids = version.parquet(name, ["id"])["id"].gather((own["id"] % (1 << 32)).cast(pl.UInt32))
            plain = own["labels"].is_null()
            evidence = own["labels"].scatter(plain.arg_true(), names.of(own["first"].filter(plain).to_numpy()))
            yield partition, _worded(own.with_columns(ids.alias("id"), evidence.alias("evidence")))

    def _repeats(self, signatures: pl.DataFrame) -> pl.DataFrame:
        """(id, first, labels) of rows to drop: the first copy, and the labels where those are the reason."""
        named = signatures.filter(pl.col("hash").is_not_null() & pl.col("hash").is_duplicated())
        repeated = named.group_by("hash", maintain_order=True).agg(
            pl.col("id").first().alias("first"), pl.col("label").drop_nulls().unique().sort().alias("labels")
        )
        rows = named.join(repeated, on="hash", how="inner", maintain_order="left")
        conflicting = (pl.col("labels").list.len() > 1) & pl.lit(self.conflict == "drop")
        shown = pl.col("labels").list.head(_EVIDENCE_LABELS).list.join(" | ")
        return rows.filter(conflicting | (pl.col("id") != pl.col("first"))).select(
            "id", "first", pl.when(conflicting).then(shown).alias("labels")
        )


def _worded(found: pl.DataFrame) -> pl.DataFrame:
    reason = pl.when(pl.col("labels").is_null()).then(pl.lit("duplicate")).otherwise(pl.lit("conflicting_label"))
    return found.select("id", reason.alias("reason"), "evidence")


def _ranges(rows: int, memory: int) -> Iterator[tuple[bytes, bytes | None]]:
    """Ranges of hashes (from, below; none at the end) with few enough of so many rows."""
    number = min(1 << 16, max(1, -(-rows * _ROW_BYTES // memory)))
    edges = [(place << 32) // number for place in range(number)]
    lows = [edge.to_bytes(4, "big") for edge in edges]
    yield from zip(lows, [*lows[1:], None], strict=True)
