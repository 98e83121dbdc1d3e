import csv
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ops.deduplication.exact import ExactDuplicates
from ops.errors import IntegrityError
from ops.steps import Facts

ROWS = st.lists(
    st.tuples(st.none() | st.sampled_from(["a", "A ", " a", "b", "", " "]), st.sampled_from(["x", "y", None]))
)


def tables(parts: list[list[tuple[str | None, str | None]]]) -> list[pl.DataFrame]:
    found = []
    for part, rows in enumerate(parts):
        table = pl.DataFrame(rows, schema={"text": pl.String, "label": pl.String}, orient="row")
        found.append(table.select(pl.format("{}/{}", pl.lit(part), pl.int_range(pl.len())).alias("id"), pl.all()))
    return found


def decide(step: ExactDuplicates, parts: list[pl.DataFrame]) -> pl.DataFrame:
    return step.fold(pl.concat([step.signatures(part) for part in parts]))


@given(st.lists(ROWS, min_size=1, max_size=4), st.booleans(), st.sampled_from(["drop", "keep_first"]))
def test_against_a_loop_over_the_corpus(
    parts: list[list[tuple[str | None, str | None]]], normalise: bool, conflict: str
) -> None:
    step = ExactDuplicates.model_validate(
        {"normalise": "whitespace_case" if normalise else "none", "conflict_label": "label", "conflict": conflict}
    )
    given_tables = tables(parts)
    groups: dict[str, list[tuple[str, str | None]]] = {}
    for table in given_tables:
        for row, text, label in table.iter_rows():
            key = " ".join((text or "").lower().split()) if normalise else (text or "")
            if key:
                groups.setdefault(key, []).append((row, label))
    expected: dict[str, tuple[str, str]] = {}
    for members in groups.values():
        labels = sorted({label for _, label in members if label is not None})
        if len(labels) > 1 and conflict == "drop":
            expected |= {row: ("conflicting_label", " | ".join(labels)) for row, _ in members}
        else:
            expected |= {row: ("duplicate", members[0][0]) for row, _ in members[1:]}
    decided = decide(step, given_tables)
    assert {row: (reason, evidence) for row, reason, evidence in decided.iter_rows()} == expected
    for number, table in enumerate(given_tables):
        outcome = step.apply(table, Facts(str(number), duplicates={step.key: decided}))
        assert outcome.kept.equals(table.filter(~pl.col("id").is_in(list(expected))))
        assert outcome.dropped["id"].to_list() == [row for row in table["id"] if row in expected]
        assert set(outcome.dropped["step"]) <= {"exact_duplicates"}


def test_the_order_of_partitions_decides_which_copy_stays() -> None:
    step, (one, two) = ExactDuplicates(), tables([[("a", None)], [("a", None), ("a", None)]])
    assert decide(step, [one, two]).rows() == [("1/0", "duplicate", "0/0"), ("1/1", "duplicate", "0/0")]
    assert decide(step, [two, one]).rows() == [("1/1", "duplicate", "1/0"), ("0/0", "duplicate", "1/0")]


def test_signatures_are_small_and_know_no_content() -> None:
    (table,) = tables([[("a", "x"), (None, "y"), ("", None)]])
    signatures = ExactDuplicates().signatures(table)
    assert signatures.schema == {"id": pl.String, "hash": pl.Binary, "label": pl.String}
    assert signatures["hash"].bin.size().to_list() == [16, None, None]
    assert signatures["label"].null_count() == 3


def test_images_and_several_columns() -> None:
    table = pl.DataFrame({"id": ["1", "2", "3", "4"], "image": [b"p", b"p", b"P", b""], "n": [1, 2, 1, 1]})
    assert decide(ExactDuplicates(columns=["image"]), [table])["id"].to_list() == ["2"]
    assert decide(ExactDuplicates(columns=["image", "n"]), [table]).is_empty()


def test_a_row_with_one_empty_column_can_still_repeat() -> None:
    table = pl.DataFrame({"id": ["1", "2", "3", "4"], "a": ["x", "x", None, None], "b": ["", "", None, None]})
    assert decide(ExactDuplicates(columns=["a", "b"]), [table])["id"].to_list() == ["2"]


def test_apply_without_the_fold_is_an_error() -> None:
    (table,) = tables([[("a", None)]])
    with pytest.raises(IntegrityError, match="duplicates of the corpus are not known"):
        ExactDuplicates().apply(table, Facts("0"))


def test_columns_must_be_given() -> None:
    with pytest.raises(ValidationError):
        ExactDuplicates(columns=[])


@pytest.mark.mirror
def test_banking77_has_the_repeats_that_a_loop_finds(mirror: Path) -> None:
    with (mirror / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    seen: dict[str, set[str]] = {}
    for text, label in rows:
        seen.setdefault(said(text), set()).add(label)
    given_tables = tables([list(rows)])
    assert decide(ExactDuplicates(normalise="alphanumeric"), given_tables).height == len(rows) - len(seen) == 32
    by_label = decide(ExactDuplicates(normalise="alphanumeric", conflict_label="label"), given_tables)
    conflicting = {key for key, labels in seen.items() if len(labels) > 1}
    ids = by_label.filter(reason="conflicting_label")["id"].to_list()
    texts = given_tables[0].filter(pl.col("id").is_in(ids))["text"]
    assert len(conflicting) == 1 and {said(text) for text in texts} == conflicting


def said(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())
