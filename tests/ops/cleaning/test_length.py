from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ops.cleaning.length import Length
from ops.steps import Facts

TEXTS = st.lists(st.none() | st.text("aé中😀 \n\u3000", max_size=12), max_size=8)
COUNT: dict[str, Any] = {"characters": len, "words": lambda t: len(t.split()), "bytes": lambda t: len(t.encode())}


@given(TEXTS, st.sampled_from(sorted(COUNT)), st.none() | st.integers(0, 6), st.none() | st.integers(6, 12))
def test_against_a_loop(texts: list[str | None], unit: Any, minimum: int | None, maximum: int | None) -> None:
    if minimum is None and maximum is None:
        return
    table = pl.DataFrame({"id": [str(k) for k in range(len(texts))], "text": texts}, schema={"id": str, "text": str})
    outcome = Length(unit=unit, minimum=minimum, maximum=maximum).apply(table, Facts("p"))
    kept, dropped = [], []
    for row, text in enumerate(texts):
        size = COUNT[unit](text or "")
        if minimum is not None and size < minimum:
            dropped.append((str(row), "length", "too_short", str(size)))
        elif maximum is not None and size > maximum:
            dropped.append((str(row), "length", "too_long", str(size)))
        else:
            kept.append(str(row))
    assert outcome.kept["id"].to_list() == kept
    assert outcome.dropped.rows() == dropped


@pytest.mark.parametrize(
    "settings", [{}, {"minimum": 3, "maximum": 2}, {"minimum": -1}, {"unit": "tokens", "minimum": 1}]
)
def test_bounds_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Length(**settings)
