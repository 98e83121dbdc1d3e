"""What a step of a stage's list is: a frozen value with one method from a table to an outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from ops.config import Config

DROPPED_SCHEMA: dict[str, pl.DataType] = {
    "id": pl.String(),
    "step": pl.String(),
    "reason": pl.String(),
    "evidence": pl.String(),
}


@dataclass(frozen=True)
class Facts:
    """What a step may know beyond its table: results of the folds over the whole corpus.

    Attributes:
        partition: key of the partition at hand.
        seed: the recipe's seed.
        duplicates: by `key` what each deduplication decided for the corpus: rows (id, reason, evidence) to drop.
        statistics: the statistics fold's JSON (classes, means over the training rows).
        scores: by `score_key` the scores of the partition's rows, beside their `id`; null outside the graph.
        fitted: by `fit_key` what fitted steps learned from the training rows; null outside the graph.
    """

    partition: str
    seed: int = 0
    duplicates: Mapping[str, pl.DataFrame] | None = None
    statistics: Mapping[str, Any] | None = None
    scores: Mapping[str, pl.DataFrame] | None = None
    fitted: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Outcome:
    """What a step returns: the rows kept, the rows dropped with reason and evidence, and how many were changed.

    Attributes:
        kept: the table that goes on; columns may differ from the input's, `id` stays.
        dropped: columns id, step, reason, evidence (`DROPPED_SCHEMA`).
        changed: rows changed by reason.
        added: rows that the step made (copies of augmentation).
    """

    kept: pl.DataFrame
    dropped: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=DROPPED_SCHEMA))
    changed: Mapping[str, int] = field(default_factory=dict)
    added: int = 0

    @classmethod
    def mapped(cls, table: pl.DataFrame, changed: Mapping[str, int]) -> Outcome:
        """All rows kept, some changed; reasons that changed nothing are left out."""
        return cls(kept=table, changed={reason: count for reason, count in changed.items() if count})

    @classmethod
    def split(
        cls, table: pl.DataFrame, *, keep: pl.Expr, step: str, reason: str | pl.Expr, evidence: pl.Expr | None = None
    ) -> Outcome:
        """Keep the rows where `keep` is true (null counts as false); the rest is dropped.

        Args:
            table: the rows, with column `id`.
            keep: boolean expression over the table's columns.
            step: kind of the step that decides.
            reason: one word for all dropped rows, or an expression that names it row by row.
            evidence: what the decision rests on, cast to text; null when absent.
        """
        marked = table.with_columns(keep.fill_null(False).alias("__keep"))
        kept = marked.filter(pl.col("__keep")).drop("__keep")
        reason_expr = pl.lit(reason) if isinstance(reason, str) else reason
        evidence_expr = pl.lit(None, dtype=pl.String) if evidence is None else evidence.cast(pl.String)
        dropped = marked.filter(~pl.col("__keep")).select(
            pl.col("id"),
            pl.lit(step).alias("step"),
            reason_expr.cast(pl.String).alias("reason"),
            evidence_expr.alias("evidence"),
        )
        return cls(kept=kept, dropped=dropped)


class Step(Config):
    """One typed entry of a stage's list. A subclass adds `kind: Literal[...]`, its settings and `apply`.

    `applies_to` names the modalities it works on: text, image, table, sound.
    """

    applies_to: ClassVar[frozenset[str]] = frozenset({"text", "image", "table", "sound"})

    if TYPE_CHECKING:
        kind: Any = None

    @property
    def compares_rows(self) -> bool:
        """Whether what becomes of a row depends on the other rows of the table, and so on what was dropped before."""
        return False

    @property
    def writes(self) -> frozenset[str]:
        """The columns whose values a row may have others of behind the step; a step that only drops rows has none."""
        named = [getattr(self, key, None) or () for key in ("column", "columns", "output")]
        return frozenset(name for names in named for name in ([names] if isinstance(names, str) else names))

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Return the outcome for one partition's table; a pure function of its arguments."""
        raise TypeError(f"{type(self).__name__} has no apply")


@dataclass(frozen=True)
class Applied:
    """What a list of steps did to one table, step by step in order."""

    kept: pl.DataFrame
    dropped: pl.DataFrame
    changed: dict[str, int]
    added: int

    @property
    def dropped_by_reason(self) -> dict[str, int]:
        """Number of dropped rows by `step.reason`, or by the one word where both are the same."""
        counts = self.dropped.group_by("step", "reason").len().sort("step", "reason")
        return {s if s == r else f"{s}.{r}": n for s, r, n in counts.iter_rows()}


def apply_steps(table: pl.DataFrame, steps: list[Any] | tuple[Any, ...], facts: Facts) -> Applied:
    """Apply the steps one after the other, collecting what each dropped, changed and added."""
    dropped: list[pl.DataFrame] = []
    changed: dict[str, int] = {}
    added = 0
    for step in steps:
        outcome = step.apply(table, facts)
        dropped.append(outcome.dropped)
        for reason, count in outcome.changed.items():
            name = step.kind if reason == step.kind else f"{step.kind}.{reason}"
            changed[name] = changed.get(name, 0) + count
        added += outcome.added
        table = outcome.kept
    lost = pl.concat(dropped) if dropped else pl.DataFrame(schema=DROPPED_SCHEMA)
    return Applied(table, lost, changed, added)
