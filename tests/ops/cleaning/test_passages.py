from typing import Any

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from ops.cleaning.passages import Passages
from ops.cleaning.split import Split
from ops.errors import ConfigError
from ops.steps import Facts, Outcome

TEXTS = st.lists(st.none() | st.text("aé漢🙂 \n", max_size=30), max_size=5)


def cut(texts: list[str | None], **settings: Any) -> Outcome:
    table = pl.DataFrame(
        {"id": [f"t{k}" for k in range(len(texts))], "text": texts, "book": [f"b{k}" for k in range(len(texts))]},
        schema={"id": pl.String, "text": pl.String, "book": pl.String},
    )
    return Passages(**settings).apply(table, Facts("p"))


def naive(texts: list[str | None], characters: int | None, parts: int | None) -> list[tuple[str, str | None, Any]]:
    rows: list[tuple[str, str | None, Any]] = []
    for number, text in enumerate(texts):
        n = len(text or "")
        wanted = parts if parts is not None else -(-n // (characters or 1))
        count = max(1, min(wanted, n))
        for k in range(count):
            piece = None if text is None else text[n * k // count : n * (k + 1) // count]
            rows.append((f"b{number}", piece, k / count if n else None))
    return rows


@given(TEXTS, st.integers(1, 12))
@example(["aaaaaaaaa"], 1)
def test_against_slices(texts: list[str | None], size: int) -> None:
    for settings in ({"characters": size, "parts": None}, {"characters": None, "parts": size}):
        outcome = cut(texts, **settings)
        assert outcome.kept.select("book", "text", "position").rows() == naive(texts, **settings)
        assert outcome.added == outcome.kept.height - len(texts) and not outcome.dropped.height
        assert outcome.kept["id"].n_unique() == outcome.kept.height
        for number, text in enumerate(texts):
            mine = outcome.kept.filter(pl.col("book") == f"b{number}").sort("id")
            assert "".join(piece or "" for piece in mine["text"]) == (text or "")


def test_tiny_shakespeares_border_is_where_others_cut_it() -> None:
    rows = cut(["x" * 1_115_394], parts=50).kept
    places = Split(position="position", valid=0.02, test=0.1).assign(rows)
    found = {name: places.filter(pl.col("split") == name)["text"].str.len_chars().sum() for name in ("train", "test")}
    assert found["test"] == 1_115_394 - int(0.9 * 1_115_394) == 111_540
    assert places["split"].to_list() == ["train"] * 44 + ["valid"] + ["test"] * 5


def test_shares_of_every_text_and_a_null_trains() -> None:
    table = pl.DataFrame({"position": [0.0, 0.79999, 0.8, 0.9, 0.99, None]})
    split = Split(position="position", valid=0.1, test=0.1).assign(table)["split"].to_list()
    assert split == ["train", "train", "valid", "test", "test", "train"]
    first = Split(position="position", valid_place="start", valid=0.8, test=0.1).assign(table)["split"].to_list()
    assert first == ["valid", "valid", "train", "test", "test", "train"]
    with pytest.raises(ValidationError, match="valid_place is for a split by position"):
        Split(valid_place="start")
    with pytest.raises(ConfigError, match="'position' is String, no place"):
        Split(position="position").assign(pl.DataFrame({"position": ["a"]}))
    with pytest.raises(ValidationError, match="position alone decides"):
        Split(position="position", columns=["text"])


def test_settings_that_do_not_go_together() -> None:
    for settings in ({}, {"parts": 2, "characters": 3}, {"parts": 2, "output": "text"}):
        with pytest.raises(ValidationError):
            Passages(**settings)
