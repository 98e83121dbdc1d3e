"""Rows brought to numbers: what the training rows say, and what becomes of what they lack."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ops.columns import in_words
from ops.errors import BadData
from ops.stages.rows import coded, names_of, row_spec, row_statistics, row_values
from ops.tasks.table_classification import TableClassification

TASK = TableClassification(label="kind", features=["a", "n"], categories=["c", "b"])
TABLE = pl.DataFrame(
    {
        "a": [1.0, 2.0, 4.0, 8.0],
        "n": [3, 3, 3, 900],
        "c": ["x", None, "y", "new"],
        "b": [True, True, False, None],
        "split": ["train", "train", "train", "test"],
    }
)


def test_training_rows_say_means_deviations_and_categories() -> None:
    found = row_statistics([TABLE], TASK)
    train = np.array([1.0, 2.0, 4.0])
    assert found["numbers"]["a"] == {"mean": pytest.approx(train.mean()), "std": pytest.approx(train.std())}
    assert found["numbers"]["n"] == {"mean": 3.0, "std": 1.0}  # a constant
    assert found["categories"] == {"c": ["x", "y"], "b": ["false", "true"]}
    assert row_spec(found)["categories"] == [3, 3] and row_spec(found)["numbers"] == 2
    assert row_statistics([TABLE[2:], TABLE[:2]], TASK) == found


def test_what_training_lacks_and_what_is_missing_is_the_unknown_category() -> None:
    found = row_statistics([TABLE], TASK)
    done, unknown = coded(TABLE, TASK, found)
    assert done["c"].to_list() == [1, 0, 2, 0] and done["b"].to_list() == [2, 2, 1, 0]
    assert unknown == 1  # "new"; what is missing is no such value
    assert done.schema["n"] == pl.Float64 and done.schema["c"] == pl.Int32
    values = row_values(done, TASK)
    assert values.dtype == np.float32 and values.tolist()[3] == [8.0, 900.0, 0.0, 0.0]
    named = names_of(done, TASK, found)
    assert named["c"].to_list() == ["x", None, "y", None]
    assert named.select(in_words(["a", "c"]))[:2].to_series().to_list() == ["a 1.0 · c x", "a 2.0 · c –"]


def test_a_column_without_any_category_in_training() -> None:
    table = TABLE.with_columns(pl.lit(None, pl.String).alias("c"))
    found = row_statistics([table], TASK)
    assert found["categories"]["c"] == [] and row_spec(found)["categories"] == [1, 3]
    assert coded(table.with_columns(c=pl.lit("z")), TASK, found)[0]["c"].to_list() == [0] * 4


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), 1e39])
def test_a_number_that_is_none_is_named_in_whatever_split(value: float | None) -> None:
    broken = TABLE.with_columns(pl.when(pl.col("split") == "test").then(pl.lit(value)).otherwise("a").alias("a"))
    with pytest.raises(BadData, match="1 rows have no value of 'a'"):
        row_statistics([broken], TASK)


def test_no_rows() -> None:
    found = row_statistics([TABLE], TASK)
    assert row_values(coded(TABLE[:0], TASK, found)[0], TASK).shape == (0, 4)
