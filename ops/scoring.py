"""Steps that decide by scores: what a row is like is worked out once, apart from where the line is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import polars as pl

from ops.columns import dropped_where
from ops.errors import IntegrityError
from ops.steps import Facts, Outcome, Step
from ops.storage import sha256_json


@dataclass(frozen=True)
class Decision:
    """What a step says of each row, in order.

    Attributes:
        reasons: why a row is dropped; null where it is kept.
        evidence: the scores behind it as text; ignored where the row is kept.
    """

    reasons: pl.Series
    evidence: pl.Series


class Scoring(Step):
    """A step that drops rows by scores. A subclass adds `score` and `decide`.

    The stage `scores` keeps the scores in tables of their own, one for each `score_key`. Another threshold gives other
    decisions from the same scores, without a look at the text.

    `thresholds` names the settings that only `decide` reads.
    """

    applies_to: ClassVar[frozenset[str]] = frozenset({"text"})
    thresholds: ClassVar[frozenset[str]] = frozenset()

    def score(self, table: pl.DataFrame) -> pl.DataFrame:
        """One row of scores for each row of the table, in its order; a score depends on its own row alone."""
        raise TypeError(f"{type(self).__name__} has no score")

    def decide(self, scores: pl.DataFrame) -> Decision:
        """Which rows are dropped, from what `score` returned (or some of its rows)."""
        raise TypeError(f"{type(self).__name__} has no decide")

    def score_settings(self) -> dict[str, Any]:
        """The settings that the scores depend on, as JSON-able data."""
        return self.model_dump(mode="json", exclude=set(self.thresholds))

    @property
    def score_key(self) -> str:
        """Names the scores within a recipe, which cannot have two steps that differ in thresholds only."""
        return f"{self.kind}-{sha256_json(self.score_settings())[:16]}"

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Drop rows by the scores among the facts, or, where there are no facts of the corpus, by scores made now.

        Raises:
            IntegrityError: the scores of the corpus are among the facts, and those of a row are not.
        """
        scores = self.score(table) if facts.scores is None else self._stored(table, facts)
        decision = self.decide(scores)
        return dropped_where(table, decision.reasons, decision.evidence, step=self.kind)

    def _stored(self, table: pl.DataFrame, facts: Facts) -> pl.DataFrame:
        stored = (facts.scores or {}).get(self.score_key)
        if stored is None or not table["id"].is_in(stored["id"].implode()).all():
            raise IntegrityError(f"{self.kind}: the scores of the corpus do not cover its rows", where=facts.partition)
        return table.select("id").join(stored, on="id", how="left", maintain_order="left").drop("id")
