"""Lines that many texts have (menus, licences, boilerplate) taken out of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import polars as pl
from pydantic import Field, PositiveInt

from ops.columns import TEXT, require, rewritten
from ops.deduplication.base import WholeCorpus
from ops.deduplication.hashing import HASH_BYTES, Normalise, content_digests
from ops.steps import Facts, Outcome
from ops.storage import Version


class LineDuplicates(WholeCorpus):
    """Take lines out of texts that occur in at least `minimum_texts` texts of the corpus (CCNet: Wenzek et al., 2020).

    Lines are compared by the first 16 bytes of SHA-256 after `normalise`. Every occurrence goes; no row is dropped, but
    a text of which nothing is left is empty. Texts are otherwise left as they are. Since it changes texts, it comes
    after all other steps that look at the whole corpus or decide by scores.
    """

    kind: Literal["line_duplicates"] = "line_duplicates"
    """Lines that many texts have taken out."""
    column: str = "text"
    """The text."""
    minimum_texts: Annotated[int, Field(ge=2)] = 3
    """In how many texts a line must occur."""
    minimum_characters: PositiveInt = 10
    """Shorter lines (without white space at their ends) stay, however often they occur."""
    normalise: Normalise = "whitespace_case"
    """Compare byte by byte, in lower case with white space collapsed, or by letters and digits in lower case only."""

    applies_to: ClassVar[frozenset[str]] = frozenset({"text"})
    thresholds: ClassVar[frozenset[str]] = frozenset({"minimum_texts"})
    rewrites: ClassVar[bool] = True

    def signatures(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return (id, hash) of each row's different lines that are long enough."""
        require(table, [self.column], step=self.kind, types=TEXT)
        return self._lines(table).filter(pl.col("hash").is_not_null()).select("id", "hash").unique(maintain_order=True)

    def decide(self, signed: Mapping[str, Version], gone: pl.Series) -> pl.DataFrame:
        """Return (hash, texts) of the lines that are taken out, ordered by hash."""
        counts: list[pl.DataFrame] = []
        for version in signed.values():
            lines = version.parquet(f"{self.key}.parquet").filter(~pl.col("id").is_in(gone.implode()))
            counts.append(lines.group_by("hash").agg(pl.len().alias("texts")))
        total = pl.concat(counts).group_by("hash").agg(pl.col("texts").sum())
        return total.filter(pl.col("texts") >= self.minimum_texts).sort("hash")

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Rewrite the texts that have such lines; counts them.

        Raises:
            IntegrityError: the decision is not among the facts.
        """
        require(table, [self.column], step=self.kind, types=TEXT)
        repeated = self.decided(facts)["hash"]
        lines = self._lines(table)
        goes = lines["hash"].is_in(repeated.implode()).fill_null(False)
        touched = lines.filter(goes)["row"].unique()
        left = lines.filter(~goes & pl.col("row").is_in(touched.implode()))
        joined = left.group_by("row", maintain_order=True).agg(pl.col("line").str.join("\n"))
        numbered = table.with_row_index("row").select("row", self.column).join(joined, on="row", how="left")
        new = numbered.sort("row").select(
            pl.when(pl.col("row").is_in(touched.implode()))
            .then(pl.col("line").fill_null(""))
            .otherwise(pl.col(self.column))
            .alias(self.column)
        )
        return rewritten(table, self.column, new[self.column], self.kind)

    def _lines(self, table: pl.DataFrame) -> pl.DataFrame:
        """(row, id, line, hash) of all lines; the hash is null where a line is too short to be compared."""
        split = table.with_row_index("row").select("row", "id", pl.col(self.column).str.split("\n").alias("line"))
        lines = split.explode("line", empty_as_null=True, keep_nulls=True)
        long = lines["line"].str.strip_chars().str.len_chars().fill_null(0) >= self.minimum_characters
        digests = content_digests(lines.filter(long), ["line"], self.normalise)
        hashes = pl.Series("hash", [digest[:HASH_BYTES] for digest in digests], dtype=pl.Binary)
        places = long.arg_true()
        empty = pl.Series("hash", [None], dtype=pl.Binary).new_from_index(0, lines.height)
        return lines.with_columns(empty.scatter(places, hashes) if places.len() else empty)
