"""What a deduplication is: small signatures of each partition, one decision over the corpus, and rows that it drops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, ClassVar

import polars as pl
from pydantic import Field

from ops.columns import dropped_where, require
from ops.errors import IntegrityError
from ops.steps import Facts, Outcome, Step
from ops.storage import Output, Version, sha256_json

LEAST_ROWS = 20
"""A source with fewer rows is not judged by the share that it loses."""

Gone = Callable[[str], pl.Series]
"""Gives the ids of a partition's rows that steps before drop, by scores or as duplicates; they count as not there."""

DUPLICATES_SCHEMA: dict[str, pl.DataType] = {"id": pl.String(), "reason": pl.String(), "evidence": pl.String()}


class WholeCorpus(Step):
    """A step that needs the whole corpus to say what becomes of a row.

    The stage `signatures` calls `sign` for each partition; the stage `duplicates` calls `decisions` once with what all
    partitions wrote, for one deduplication after the other; the stage `clean_corpus` applies it. Of all of these
    only `sign` sees the content of rows.

    A kind whose signatures are one small table gives `signatures` and `fold`; one with other files overrides `sign`
    and `decide`; one that does not hold the whole corpus in memory overrides `decisions`. `thresholds` names the
    settings that only the decision reads: another value of theirs signs nothing anew; `judging` those that say when to
    stop; `costs` those that change no result. `by_content` says that its columns are compared value by value, so that
    their types must be exact.

    A kind that `rewrites` drops no rows but changes them; its decision has no `id`. One that is `reads_split` gets the
    rows with their `split`, as they will be divided.

    A kind that is `paired` compares signatures one by one. The stage `bands` calls its `index` for each partition, with
    the signatures of some before it; the stage `pairs` calls its `pair`, with the signatures of all before it and what
    `index` wrote for some: a new partition at the end costs what it is large.
    """

    thresholds: ClassVar[frozenset[str]] = frozenset()
    judging: ClassVar[frozenset[str]] = frozenset()
    costs: ClassVar[frozenset[str]] = frozenset({"memory_mb"})
    by_content: ClassVar[bool] = False
    paired: ClassVar[bool] = False
    rewrites: ClassVar[bool] = False
    reads_split: ClassVar[bool] = False

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
            signed: what `sign` wrote, by partition in partition order.
            gone: ids of rows that steps before this one drop by scores or as duplicates; they count as not there.
        """
        signatures = pl.concat([version.parquet(f"{self.key}.parquet") for version in signed.values()])
        return self.fold(signatures.filter(~pl.col("id").is_in(gone.implode())))

    def index(self, signed: Mapping[str, Version], output: Output) -> None:
        """Put the signatures of some partitions together for later ones; only for a kind that is `paired`.

        Args:
            signed: what `sign` wrote, by partition in partition order.
            output: takes files whose names begin with `key`.
        """
        raise TypeError(f"{type(self).__name__} has no index")

    def pair(
        self, partition: str, signed: Mapping[str, Version], indexed: Mapping[str, Version], output: Output
    ) -> None:
        """Compare a partition with itself and with all before it; only for a kind that is `paired`.

        Args:
            partition: the one at hand.
            signed: what `sign` wrote, by partition in partition order, up to the one at hand.
            indexed: what `index` wrote for partitions that cover all before the one at hand.
            output: takes the pairs found, in files whose names begin with `key`.
        """
        raise TypeError(f"{type(self).__name__} has no pair")

    def signature_settings(self) -> dict[str, Any]:
        """The settings that signatures depend on, as JSON-able data."""
        return self.model_dump(mode="json", exclude={*self.thresholds, *self.judging, *self.costs})

    def pair_settings(self) -> dict[str, Any]:
        """The settings that pairs depend on, as JSON-able data."""
        return self.model_dump(mode="json", exclude={*self.judging, *self.costs})

    def decision_settings(self) -> dict[str, Any]:
        """The settings that the decision depends on, as JSON-able data."""
        return self.model_dump(mode="json", exclude=set(self.costs))

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


class Deduplication(WholeCorpus):
    """A step that drops rows that repeat others, and stops where that takes too much of a source."""

    maximum_loss: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    """The largest share of a source's rows that may go; more stops the run until somebody has looked."""
    loss_by: str | None = None
    """The column that names a row's source; by default its partition."""
    accept_loss: list[str] = []
    """Sources that may lose more, since somebody has looked at what they lose."""

    judging: ClassVar[frozenset[str]] = frozenset({"maximum_loss", "accept_loss"})

    def decisions(
        self, signed: Mapping[str, Version], paired: Mapping[str, Version], gone: Gone
    ) -> Iterator[tuple[str, pl.DataFrame]]:
        """(id, reason, evidence) of the rows to drop, partition by partition.

        Args:
            signed: what `sign` wrote, by partition in partition order, and `<key>-sources.parquet` beside it.
            paired: what `pair` wrote, where the kind is `paired`.
            gone: what is not there any more.
        """
        decided = self.decide(signed, pl.concat([gone(partition) for partition in signed]))
        for partition, version in signed.items():
            own = version.parquet(f"{self.key}-sources.parquet", ["id"])["id"]
            yield partition, decided.filter(pl.col("id").is_in(own.implode()))

    def clusters(
        self, signed: Mapping[str, Version], paired: Mapping[str, Version], gone: Gone
    ) -> Iterator[tuple[str, pl.DataFrame]]:
        """(id, cluster) of rows that are alike, dropped or not, partition by partition, where the kind has such."""
        raise TypeError(f"{type(self).__name__} has no clusters")

    def sources(self, table: pl.DataFrame, partition: str) -> pl.DataFrame:
        """(id, source) of a partition's rows: what `excessive_losses` counts by."""
        if self.loss_by is None:
            return table.select("id", pl.lit(partition).alias("source"))
        require(table, [self.loss_by], step=self.kind)
        return table.select("id", pl.col(self.loss_by).cast(pl.String).fill_null("(null)").alias("source"))

    def losses(self, sources: pl.DataFrame, gone: pl.Series, dropped: pl.Series) -> pl.DataFrame:
        """(source, rows, dropped): of each source of a partition how many rows there are, and how many it loses.

        Args:
            sources: (id, source) of the rows that were signed.
            gone: ids of rows that were not there any more.
            dropped: ids of rows that the step drops.
        """
        there = sources.filter(~pl.col("id").is_in(gone.implode())).with_columns(
            pl.col("id").is_in(dropped.implode()).alias("dropped")
        )
        return there.group_by("source").agg(pl.len().alias("rows"), pl.col("dropped").sum()).sort("source")

    def excessive_losses(self, losses: pl.DataFrame) -> list[str]:
        """What speaks against the decision, in words: sources that lose more than the accepted share of their rows.

        Args:
            losses: what `losses` gave for all partitions.
        """
        losses = losses.group_by("source").agg(pl.col("rows").sum(), pl.col("dropped").sum()).sort("source")
        too_many = (pl.col("dropped") > self.maximum_loss * pl.col("rows")) & (pl.col("rows") >= LEAST_ROWS)
        unsigned = ~pl.col("source").is_in(self.accept_loss)
        return [
            f"{self.kind} drops {lost} of {rows} rows of {source!r}, more than maximum_loss {self.maximum_loss:g}; "
            f"look at what it drops, then name the source in accept_loss"
            for source, rows, lost in losses.filter(too_many & unsigned).iter_rows()
        ]

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Drop the rows that were decided on.

        Raises:
            IntegrityError: the decision is not among the facts.
        """
        decided = table.select("id").join(self.decided(facts), on="id", how="left", maintain_order="left")
        return dropped_where(table, decided["reason"], decided["evidence"], step=self.kind)
