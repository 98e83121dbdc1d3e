from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import IntegrityError
from ops.storage import Counts

NUMBERS = st.integers(0, 10**12)
REASONS = st.dictionaries(st.text(max_size=5), NUMBERS, max_size=4)


@given(NUMBERS, NUMBERS, REASONS, REASONS, REASONS)
def test_books_that_balance_pass(out: int, added: int, rejected: dict, dropped: dict, changed: dict) -> None:
    gone = sum(rejected.values()) + sum(dropped.values())
    rows_in = out + gone - added
    counts = Counts(rows_in=rows_in, rows_out=out, added=added, rejected=rejected, dropped=dropped, changed=changed)
    if rows_in >= 0:
        counts.check()
    else:
        with pytest.raises(IntegrityError, match="do not add up"):
            counts.check()


@given(NUMBERS, NUMBERS, REASONS, REASONS, st.integers(-5, 5).filter(bool))
def test_books_that_are_off_by_any_number_do_not(
    out: int, added: int, rejected: dict, dropped: dict, error: int
) -> None:
    rows_in = out + sum(rejected.values()) + sum(dropped.values()) - added + error
    with pytest.raises(IntegrityError, match="rows do not add up"):
        Counts(rows_in=rows_in, rows_out=out, added=added, rejected=rejected, dropped=dropped).check()


def test_negative_numbers_cannot_balance_the_books() -> None:
    with pytest.raises(IntegrityError):
        Counts(rows_in=1, rows_out=2, dropped={"x": -1}).check()
    with pytest.raises(IntegrityError):
        Counts(rows_in=2, rows_out=1, added=-1).check()
    with pytest.raises(IntegrityError):
        Counts(rows_in=1, rows_out=1, changed={"x": -1}).check()


def test_the_message_has_the_numbers_and_the_place() -> None:
    with pytest.raises(IntegrityError) as caught:
        Counts(rows_in=5, rows_out=2, added=1, rejected={"a": 1}, dropped={"b": 1}).check("demo/clean_corpus/all")
    assert str(caught.value).startswith(
        "demo/clean_corpus/all: rows do not add up: 5 in + 1 added is not 2 out + 1 rejected + 1 dropped"
    )


def test_numpy_integers_become_plain_ones_and_floats_are_refused() -> None:
    numbers: Any = np.arange(4)
    counts = Counts(rows_in=numbers[3], rows_out=numbers[2], dropped={"x": numbers[1]})
    assert type(counts.rows_in) is type(counts.rows_out) is type(counts.dropped["x"]) is int
    with pytest.raises(TypeError):
        Counts(rows_in=3.0, rows_out=3)  # type: ignore[arg-type]
    with pytest.raises(FrozenInstanceError):
        counts.rows_in = 4  # type: ignore[misc]
