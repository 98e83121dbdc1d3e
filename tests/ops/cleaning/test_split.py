import hashlib
import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ops.cleaning.split import Split
from ops.errors import ConfigError


def canonical(text: str) -> str:
    said = "".join(c for c in text.lower() if c.isalnum())
    return said or " ".join(text.lower().split())


def places(texts: list[str | None], split: Split) -> list[str]:
    return split.assign(pl.DataFrame({"text": texts}, schema={"text": pl.String}))["split"].to_list()


@given(st.lists(st.text("ab C\n\t!?2", max_size=8), max_size=10), st.sampled_from(["", "salt"]))
def test_against_hashlib_and_fractions(texts: list[str], salt: str) -> None:
    expected = []
    for text in texts:
        digest = hashlib.sha256(canonical(text).encode()).digest()
        fraction = int(hashlib.sha256(digest + salt.encode()).hexdigest()[:16], 16) / 2**64
        expected.append("test" if fraction < 0.25 else "valid" if fraction < 0.25 + 0.125 else "train")
    assert places(list(texts), Split(valid=0.125, test=0.25, salt=salt)) == expected


def test_sizes_are_those_of_independent_draws() -> None:
    rows = 20_000
    counts = pl.Series(places([f"text {k}" for k in range(rows)], Split(valid=0.1, test=0.2))).value_counts()
    for name, share in (("train", 0.7), ("valid", 0.1), ("test", 0.2)):
        count = counts.filter(pl.col("") == name)["count"].item()
        assert abs(count - rows * share) < 4 * math.sqrt(rows * share * (1 - share))


def test_equal_content_is_on_one_side_and_no_row_moves_another() -> None:
    texts: list[str | None] = [f"Text {k}" for k in range(300)]
    alone = places(texts, Split())
    assert places([f"  tEXT \n {k} ?!" for k in range(300)], Split()) == alone
    assert places([*texts, "more", "rows"], Split())[:300] == alone
    assert places(texts[::-1], Split())[::-1] == alone


def test_another_salt_is_another_division() -> None:
    texts: list[str | None] = [str(k) for k in range(2000)]
    one, other = places(texts, Split(test=0.5, valid=0.0)), places(texts, Split(test=0.5, valid=0.0, salt="2"))
    agree = sum(a == b for a, b in zip(one, other, strict=True))
    assert 850 < agree < 1150


def test_images_by_their_bytes_and_several_columns() -> None:
    table = pl.DataFrame({"image": [b"A", b"a", b"A"], "label": ["x", "x", "X"]})
    split = Split(columns=["image"], test=0.5, valid=0.0)
    expected = []
    for data in table["image"]:
        number = hashlib.sha256(hashlib.sha256(data).digest()).digest()
        expected.append("test" if number[0] < 128 else "train")
    assert split.assign(table)["split"].to_list() == expected
    both = Split(columns=["image", "label"]).assign(table)["split"].to_list()
    assert both[0] == both[2]


def test_nulls_have_a_place() -> None:
    assert set(places([None, None, ""], Split())) <= {"train", "valid", "test"}


def test_no_shares_is_all_training() -> None:
    assert set(places([str(k) for k in range(500)], Split(valid=0.0, test=0.0))) == {"train"}


@pytest.mark.parametrize("shares", [(0.5, 0.5), (-0.1, 0.1), (0.1, 1.0)])
def test_shares_that_leave_nothing(shares: tuple[float, float]) -> None:
    with pytest.raises(ValidationError):
        Split(valid=shares[0], test=shares[1])


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ConfigError, match="split: the table has no column 'text'"):
        Split().assign(pl.DataFrame({"image": [b""]}))
