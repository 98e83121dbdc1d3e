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


def test_groups_stay_on_one_side() -> None:
    rows = 4000
    table = pl.DataFrame(
        {"text": [f"text {n}" for n in range(rows)], "who": [f"speaker {n % 200}" for n in range(rows)]}
    )
    found = Split(groups=["who"]).assign(table)
    assert found.group_by("who").agg(pl.col("split").n_unique())["split"].max() == 1
    assert set(found["split"]) == {"train", "valid", "test"}
    alone = table.with_columns(pl.lit(None, pl.String).alias("who"))
    assert Split(groups=["who"]).assign(alone)["split"].equals(Split().assign(table)["split"])


def test_clusters_stay_on_one_side_and_others_where_they_were() -> None:
    table = pl.DataFrame({"id": [str(n) for n in range(3000)], "text": [f"text {n}" for n in range(3000)]})
    alike = pl.DataFrame({"id": [str(n) for n in range(1000)], "cluster": [2**63 + n // 5 for n in range(1000)]})
    alike = alike.cast({"cluster": pl.UInt64})
    found = Split(near_duplicates=True).assign(table, alike=alike)
    joined = found.join(alike, on="id")
    assert joined.group_by("cluster").agg(pl.col("split").n_unique())["split"].max() == 1
    assert set(joined["split"]) == {"train", "valid", "test"}
    assert found["split"].tail(2000).equals(Split().assign(table)["split"].tail(2000))


@pytest.mark.parametrize("kind", ["date", "datetime", "zone", "text"])
def test_time_keeps_its_order(kind: str) -> None:
    days = pl.date_range(pl.date(2014, 1, 1), pl.date(2014, 12, 31), eager=True)
    times = {
        "date": days,
        "datetime": days.cast(pl.Datetime),
        "zone": days.cast(pl.Datetime).dt.replace_time_zone("Asia/Shanghai"),
        "text": days.cast(pl.String),
    }[kind]
    table = pl.DataFrame({"when": pl.concat([times, times.clear(1)]), "text": "same"})
    found = Split(time="when", valid_from="2014-07-01", test_from="2014-10-01").assign(table)
    by = {split: found.filter(split=split)["when"] for split in ("train", "valid", "test")}
    assert [by[split].len() for split in ("train", "valid", "test")] == [181 + 1, 92, 92]
    assert by["train"].max() < by["valid"].min() <= by["valid"].max() < by["test"].min()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"time": "when"}, "belong together"),
        ({"valid_from": "2014-01-01"}, "belong together"),
        ({"time": "when", "valid_from": "2014-02-01", "test_from": "2014-01-01"}, "before test_from"),
        ({"time": "when", "valid_from": "2014-01-01", "test_from": "2014-02-01", "groups": ["a"]}, "time alone"),
        ({"groups": ["a"], "near_duplicates": True}, "groups alone"),
        ({"time": "when", "valid_from": "July", "test_from": "2014-02-01"}, "pattern"),
    ],
)
def test_settings_that_contradict_each_other(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Split.model_validate(settings)


def test_numbers_are_no_moments() -> None:
    split = Split(time="when", valid_from="2014-01-01", test_from="2014-02-01")
    with pytest.raises(ConfigError, match="no moments in time"):
        split.assign(pl.DataFrame({"when": [1], "text": ["a"]}))
