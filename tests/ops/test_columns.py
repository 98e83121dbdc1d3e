import polars as pl
import pytest

from ops.columns import BYTES, TEXT, dropped_where, require, rewritten
from ops.errors import ConfigError

TABLE = pl.DataFrame({"id": ["a", "b", "c"], "text": ["x", None, "y"]})


def test_a_missing_column_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"length: the table has no column 'txt' \(did you mean 'text'\?\)"):
        require(TABLE, ["id", "txt"], step="length")


def test_a_missing_column_without_a_near_one_lists_all() -> None:
    with pytest.raises(ConfigError, match="there are id, text"):
        require(TABLE, ["image"], step="resize")


def test_a_column_of_another_type() -> None:
    require(TABLE, ["text"], step="mask", types=TEXT)
    with pytest.raises(ConfigError, match="mask: column 'text' is String, not Binary"):
        require(TABLE, ["text"], step="mask", types=BYTES)


def test_changes_are_counted_and_nulls_equal_nulls() -> None:
    outcome = rewritten(TABLE, "text", pl.col("text").str.replace("x", "z"), "swap")
    assert outcome.kept["text"].to_list() == ["z", None, "y"]
    assert outcome.changed == {"swap": 1}
    assert rewritten(TABLE, "text", pl.col("text"), "swap").changed == {}


def test_rows_with_a_reason_are_dropped_in_order() -> None:
    outcome = dropped_where(TABLE, pl.Series(["r", None, "s"]), pl.Series([1, None, None]), step="step")
    assert outcome.kept.rows() == [("b", None)]
    assert outcome.kept.columns == TABLE.columns
    assert outcome.dropped.rows() == [("a", "step", "r", "1"), ("c", "step", "s", None)]


def test_no_row_dropped_when_all_reasons_are_null() -> None:
    outcome = dropped_where(TABLE, pl.Series([None] * 3), pl.Series([None] * 3), step="step")
    assert outcome.kept.equals(TABLE) and outcome.dropped.is_empty()
