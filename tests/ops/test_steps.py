"""Steps and outcomes: what a list of steps keeps, drops, changes and adds."""

from __future__ import annotations

from typing import Literal

import polars as pl
import pytest

from ops.steps import DROPPED_SCHEMA, Facts, Outcome, Step, apply_steps

TABLE = pl.DataFrame({"id": ["a", "b", "c", "d"], "x": [1, 2, None, 4]})


class Above(Step):
    """Keep what is above a bound."""

    kind: Literal["above"] = "above"
    bound: int = 1
    reason: str = "above"

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        return Outcome.split(
            table, keep=pl.col("x") > self.bound, step=self.kind, reason=self.reason, evidence=pl.col("x")
        )


class Double(Step):
    """Double, and say so."""

    kind: Literal["double"] = "double"
    reason: str = "double"

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        return Outcome.mapped(table.with_columns(pl.col("x") * 2), {self.reason: table.height, "never": 0})


class Twice(Step):
    """Every row again."""

    kind: Literal["twice"] = "twice"

    def apply(self, table: pl.DataFrame, facts: Facts) -> Outcome:
        return Outcome(pl.concat([table, table]), added=table.height)


def test_split_keeps_the_order_and_tells_why() -> None:
    outcome = Above().apply(TABLE, Facts("p"))
    assert outcome.kept.rows() == [("b", 2), ("d", 4)]
    assert outcome.dropped.rows() == [("a", "above", "above", "1"), ("c", "above", "above", None)]
    assert dict(outcome.dropped.schema) == DROPPED_SCHEMA
    assert outcome.kept.columns == TABLE.columns


def test_a_reason_can_differ_from_row_to_row() -> None:
    reason = pl.when(pl.col("x").is_null()).then(pl.lit("missing")).otherwise(pl.lit("small"))
    outcome = Outcome.split(TABLE, keep=pl.col("x") > 3, step="s", reason=reason)
    assert outcome.dropped["reason"].to_list() == ["small", "small", "missing"]
    assert outcome.dropped["evidence"].null_count() == 3


def test_an_empty_table_is_split_too() -> None:
    outcome = Above().apply(TABLE.clear(), Facts("p"))
    assert outcome.kept.is_empty() and outcome.dropped.is_empty()
    assert dict(outcome.dropped.schema) == DROPPED_SCHEMA


def test_what_changed_nothing_is_not_counted() -> None:
    assert Outcome.mapped(TABLE, {"a": 0, "b": 2}).changed == {"b": 2}


def test_steps_follow_each_other_and_their_books_add_up() -> None:
    steps = [Double(), Above(bound=4, reason="small"), Twice(), Double(reason="again"), Double()]
    applied = apply_steps(TABLE, steps, Facts("p"))
    assert applied.kept.rows() == [("d", 32), ("d", 32)]
    assert applied.dropped.select("id", "evidence").rows() == [("a", "2"), ("b", "4"), ("c", None)]
    assert applied.dropped_by_reason == {"above.small": 3}
    assert applied.changed == {"double": 4 + 2, "double.again": 2}
    assert applied.added == 1
    assert TABLE.height + applied.added == applied.kept.height + applied.dropped.height


def test_one_word_where_step_and_reason_are_the_same() -> None:
    assert apply_steps(TABLE, [Above()], Facts("p")).dropped_by_reason == {"above": 2}


def test_no_steps_change_nothing() -> None:
    applied = apply_steps(TABLE, [], Facts("p"))
    assert applied.kept.equals(TABLE) and applied.dropped.is_empty() and not applied.changed
    assert dict(applied.dropped.schema) == DROPPED_SCHEMA


def test_a_step_without_apply_says_so() -> None:
    with pytest.raises(TypeError, match="Step has no apply"):
        Step().apply(TABLE, Facts("p"))
