from __future__ import annotations

import pytest
from dagster._utils.schedules import is_valid_cron_schedule
from hypothesis import given
from hypothesis import strategies as st

from ops.cron import FIELDS, check_cron

GOOD = ["0 2 * * *", "*/5 * * * *", "0 4 * * 0", "0 4 * * 7", "1,15,30 0-6/2 1-15 jan,MAR mon-fri", "59 23 31 12 *"]
BAD = [
    "99 99 * * *",
    "0 2 * *",
    "0 2 * * * *",
    "",
    "a b c d e",
    "60 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "* * * 13 *",
    "* * * * 8",
    "*/0 * * * *",
    "5-1 * * * *",
    "1,,2 * * * *",
    "0 0 31 2 *",
    "0 0 30 feb *",
    "-1 * * * *",
]


def accepted(text: str) -> bool:
    try:
        return check_cron(text) == text
    except ValueError:
        return False


@pytest.mark.parametrize("text", GOOD)
def test_what_is_taken(text: str) -> None:
    assert accepted(text) and is_valid_cron_schedule(text)


@pytest.mark.parametrize("text", BAD)
def test_what_is_refused(text: str) -> None:
    assert not accepted(text)


def fields() -> st.SearchStrategy[str]:
    def field(low: int, high: int) -> st.SearchStrategy[str]:
        number = st.integers(low - 1, high + 1)
        return st.one_of(
            st.just("*"),
            number.map(str),
            st.builds("{}-{}".format, number, number),
            st.builds("*/{}".format, st.integers(0, high)),
            st.lists(number.map(str), min_size=1, max_size=3).map(",".join),
        )

    return st.tuples(*(field(low, high) for _, low, high, _ in FIELDS)).map(" ".join)


@given(fields())
def test_what_is_taken_dagster_takes_too(text: str) -> None:
    if accepted(text):
        assert is_valid_cron_schedule(text)
