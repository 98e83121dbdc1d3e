"""Fitted steps: each is fitted on training rows alone, as the steps before it leave them."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pytest

from ops.cleaning.consistency import Consistency
from ops.cleaning.impute import Impute
from ops.errors import BadData
from ops.fitting import evidence, fit_steps, training_rows
from ops.steps import Facts

TABLE = pl.DataFrame(
    {
        "id": list("abcdef"),
        "split": ["train", "train", "train", "train", "test", "test"],
        "x": [1.0, 3.0, -900.0, None, 70.0, None],
        "y": [None, 2.0, 5.0, 8.0, 100.0, None],
    }
)


def parts() -> Iterator[tuple[pl.DataFrame, Facts]]:
    for number, part in enumerate((TABLE[:3], TABLE[3:])):
        yield part, Facts(str(number))


def train(rows: pl.DataFrame, partition: str) -> pl.DataFrame:
    assert rows["id"].is_in(list("abc" if partition == "0" else "def")).all()
    return training_rows(rows)


def test_each_is_fitted_on_what_the_steps_before_leave_of_the_training_rows() -> None:
    x, y = Impute(columns=["x"], method="mean"), Impute(columns=["y"], method="mean")
    positive = Consistency.model_validate({"columns": {"x": {"minimum": 0}}})
    fitted = fit_steps([positive, x, y], parts, train, 0)
    assert fitted[x.fit_key]["columns"]["x"]["mean"] == 2.0
    assert fitted[y.fit_key]["columns"]["y"]["mean"] == 5.0
    again = Consistency.model_validate({"columns": {"x": {"required": True}}})
    other = fit_steps([x, again, y], parts, train, 0)
    assert other[y.fit_key]["columns"]["y"]["mean"] == 5.0


def test_without_training_rows_there_is_nothing_to_learn() -> None:
    with pytest.raises(BadData, match="no training rows to learn from"):
        fit_steps([Impute(columns=["x"])], parts, lambda rows, _: rows.head(0), 0)


def test_evidence_is_named_by_step() -> None:
    steps = [Impute(columns=["x"]), Impute(columns=["y"]), Impute(columns=["y"], method="mean")]
    fitted = fit_steps(steps, parts, train, 0)
    found = evidence(steps, fitted)
    assert set(found) == {"impute", "impute 2"}
    assert {row["column"] for row in found["impute 2"]} == {"y"}
