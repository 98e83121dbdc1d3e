"""What a deduplication is: small signatures of each partition, one decision over the corpus, and rows that it drops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import polars as pl

from ops.columns import dropped_where
from ops.errors import IntegrityError
from ops.steps import Facts, Outcome, Step
from ops.storage import Output, Version, sha256_json

DUPLICATES_SCHEMA: dict[str, pl.DataType] = {"id": pl.String(), "reason": pl.String(), "evidence": pl.String()}


class Deduplication(Step):
    """A step that needs the whole corpus to say which rows go.

    The stage `signatures` calls `sign` for each partition; the stage `duplicates` calls `decide` once with what all
    partitions wrote, for one deduplication after the other; the stage `clean_corpus` drops the rows. Of all of these
    only `sign` sees the content of rows.

    A kind whose signatures are one small table gives `signatures` and `fold`; one with other files overrides `sign`
    and `decide`. `thresholds` names the settings that only the decision reads: another value of theirs signs nothing
    anew. `by_content` says that its columns are compared value by value, so that their types must be exact.

    A kind that is `paired` compares signatures one by one. The stage `pairs` calls its `pair` for each partition, with
    the signatures of the partitions before: a new partition at the end costs what it is large, and `decide` gets what
    `pair` has written.
    """

    thresholds: ClassVar[frozenset[str]] = frozenset()
    by_content: ClassVar[bool] = False
    paired: ClassVar[bool] = False

    def signatures(self, table: pl.DataFrame) -> pl.DataFrame:
        """The signatures of a partition's rows, with their `id`."""
        raise TypeError(f"{type(self).__name__} has no signatures")

    def fold(self, signatures: pl.DataFrame) -> pl.DataFrame:
        """Return (id, reason, evidence) of the rows to drop, given the signatures of all partitions in their order."""
        raise TypeError(f"{type(self).__name__} has no fold")

    def sign(self, table: pl.DataFrame, output: Output) -> None:
        """Write a partition's signatures into files whose names begin with `key`."""
        output.parquet(f"{self.key}.parquet", self.signatures(table))

    def decide(self, signed: Mapping[str, Version], gone: pl.Series) -> pl.DataFrame:
        """What the corpus-wide decision is, by default (id, reason, evidence) of the rows to drop.

        Args:
            signed: what `sign` (or `pair`, where the kind is `paired`) wrote, by partition in partition order.
            gone: ids of rows that steps before this one drop by scores or as duplicates; they count as not there.
        """
        signatures = pl.concat([version.parquet(f"{self.key}.parquet") for version in signed.values()])
        return self.fold(signatures.filter(~pl.col("id").is_in(gone.implode())))

    def pair(self, partition: str, signed: Mapping[str, Version], output: Output) -> None:
        """Compare a partition with itself and with all before it; only for a kind that is `paired`.

        Args:
            partition: the one at hand.
            signed: what `sign` wrote, by partition in partition order, up to the one at hand.
            output: takes the pairs found, in files whose names begin with `key`.
        """
        raise TypeError(f"{type(self).__name__} has no pair")

    def signature_settings(self) -> dict[str, Any]:
        """The settings that signatures depend on, as JSON-able data."""
        return self.model_dump(mode="json", exclude=set(self.thresholds))

    def pair_settings(self) -> dict[str, Any]:
        """The settings that pairs depend on, as JSON-able data."""
        return self.model_dump(mode="json")

    @property
    def key(self) -> str:
        """Names the signatures within a recipe, which cannot have two steps that differ in thresholds only."""
        return f"{self.kind}-{sha256_json(self.signature_settings())[:16]}"

    def decided(self, facts: Facts) -> pl.DataFrame:
        """The step's decision among the facts.

        Raises:
            IntegrityError: it is not there.
        """
        found = (facts.duplicates or {}).get(self.key)
        if found is None:
            raise IntegrityError(f"{self.kind}: the duplicates of the corpus are not known", where=facts.partition)
        return found

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Drop the rows that were decided on.

        Raises:
            IntegrityError: the decision is not among the facts.
        """
        decided = table.select("id").join(self.decided(facts), on="id", how="left", maintain_order="left")
        return dropped_where(table, decided["reason"], decided["evidence"], step=self.kind)
