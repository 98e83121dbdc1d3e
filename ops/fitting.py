"""Steps that are fitted: what they do to a row depends on values learned from the training rows of the whole corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from ops.errors import BadData, IntegrityError
from ops.steps import Facts, Outcome, Step, apply_steps
from ops.storage import sha256_json

Load = Callable[[], Iterable[tuple[pl.DataFrame, Facts]]]
"""Gives the rows of each partition in turn, and what is known of it; called once for each fitted step."""


class FittedStep(Step):
    """A step that learns something from training rows, and then uses it on every row. A subclass adds `fit` and `use`.

    What is learned is JSON-able and small. A fold keeps it: the stage `fitted` for cleaning, `statistics` for
    normalisation. So every partition is treated by the same values, and valid and test rows teach nothing.
    """

    def needed(self) -> Sequence[str]:
        """The columns that `fit` looks at, beside `id`."""
        raise TypeError(f"{type(self).__name__} has no needed")

    def fit(self, train: pl.DataFrame, seed: int) -> dict[str, Any]:
        """What is learned from the training rows, as JSON-able data; the same in whatever order the rows come."""
        raise TypeError(f"{type(self).__name__} has no fit")

    def use(self, table: pl.DataFrame, learned: Mapping[str, Any]) -> Outcome:
        """Return the outcome for one table, from what `fit` returned."""
        raise TypeError(f"{type(self).__name__} has no use")

    def evidence(self, learned: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What was learned and why, as rows of a small table for the web page and the report."""
        return []

    @property
    def fit_key(self) -> str:
        """Names what was learned within a recipe's list, which cannot have the very same step twice."""
        return f"{self.kind}-{sha256_json(self.model_dump(mode='json'))[:16]}"

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        """Use what was learned, which is among the facts; where there are none of the corpus, it is learned here.

        Raises:
            IntegrityError: the fold's result is among the facts, and lacks this step's.
        """
        if facts.fitted is not None and self.fit_key not in facts.fitted:
            raise IntegrityError(f"{self.kind}: nothing was fitted for this step", where=facts.partition)
        if facts.fitted is not None:
            return self.use(table, facts.fitted[self.fit_key])
        if table.is_empty():
            return Outcome(table)
        return self.use(table, self._fitted(training_rows(table), facts.seed))

    def _fitted(self, train: pl.DataFrame, seed: int) -> dict[str, Any]:
        if train.is_empty():
            raise BadData(f"{self.kind}: there are no training rows to learn from", hint="lower split.valid or test")
        return self.fit(train, seed)


def training_rows(table: pl.DataFrame) -> pl.DataFrame:
    """The rows of the train split; all rows where none have been split."""
    return table.filter(pl.col("split") == "train") if "split" in table.columns else table


def evidence(steps: Sequence[Step], fitted: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows that each fitted step shows for itself, by its kind (numbered where a kind comes again)."""
    found: dict[str, list[dict[str, Any]]] = {}
    for step in steps:
        if isinstance(step, FittedStep):
            rows = step.evidence(fitted[step.fit_key])
            count = sum(name.partition(" ")[0] == step.kind for name in found)
            if rows:
                found[f"{step.kind} {count + 1}" if count else str(step.kind)] = rows
    return found


def fit_steps(
    steps: Sequence[Step], load: Load, train: Callable[[pl.DataFrame, str], pl.DataFrame], seed: int
) -> dict[str, Any]:
    """Fit the fitted steps of a list in order, each on the rows as the steps before it leave them; by `fit_key`.

    Args:
        steps: the list.
        load: the corpus, partition by partition.
        train: picks the training rows of a partition, which it is told, after the steps before.
        seed: the recipe's seed.
    """
    fitted: dict[str, Any] = {}
    for place, step in enumerate(steps):
        if isinstance(step, FittedStep):
            tables = list(_before(steps[:place], step, load, train, fitted))
            fitted[step.fit_key] = step._fitted(pl.concat(tables, how="vertical") if tables else pl.DataFrame(), seed)
    return fitted


def _before(
    steps: Sequence[Step],
    step: FittedStep,
    load: Load,
    train: Callable[[pl.DataFrame, str], pl.DataFrame],
    fitted: Mapping[str, Any],
) -> Iterator[pl.DataFrame]:
    from ops.columns import require

    for table, facts in load():
        rows = train(apply_steps(table, list(steps), replace(facts, fitted=fitted)).kept, facts.partition)
        require(rows, step.needed(), step=str(step.kind))
        yield rows.select(list(dict.fromkeys(["id", *step.needed()])))
