from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.cleaning.spans import ANSWERS, Spans
from ops.errors import ConfigError
from ops.steps import Facts, Outcome

Answer = dict[str, Any]
Rows = list[tuple[str | None, list[Answer] | None]]


def table(rows: Rows) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": pl.Series([f"p/{k}" for k in range(len(rows))], dtype=pl.String),
            "context": pl.Series([context for context, _ in rows], dtype=pl.String),
            "answers": pl.Series([answers for _, answers in rows], dtype=ANSWERS),
        }
    )


def apply(rows: Rows) -> Outcome:
    return Spans().apply(table(rows), Facts("p"))


def naive(context: str | None, answer: Answer) -> tuple[int | None, str | None]:
    """Where an answer begins, or why it does not."""
    text, start, context = answer["text"] or "", answer["start"], context or ""
    if not text:
        return None, "empty"
    if start is not None and start >= 0 and context[start : start + len(text)] == text:
        return start, None
    places = [k for k in range(len(context)) if context.startswith(text, k)]
    if len(places) == 1:
        return places[0], None
    return None, "ambiguous" if places else "not_found"


CONTEXT = st.none() | st.text("ab中😀", max_size=8)
ANSWER = st.fixed_dictionaries(
    {"text": st.none() | st.text("ab中😀", max_size=3), "start": st.none() | st.integers(-3, 9)}
)


def expected(rows: Rows) -> tuple[dict[str, list[Answer] | None], dict[str, str | None], dict[str, int]]:
    """Answers kept by row, reasons of rows dropped, and rows changed."""
    kept: dict[str, list[Answer] | None] = {}
    dropped: dict[str, str | None] = {}
    moved = removed = 0
    for number, (context, answers) in enumerate(rows):
        judged = [(answer, *naive(context, answer)) for answer in answers or []]
        good = [(answer, start) for answer, start, reason in judged if reason is None]
        if judged and not good:
            dropped[f"p/{number}"] = judged[0][2]
            continue
        kept[f"p/{number}"] = answers if not judged else [{"text": a["text"], "start": start} for a, start in good]
        moved += any(start != answer["start"] for answer, start in good)
        removed += len(good) < len(judged)
    return kept, dropped, {name: n for name, n in (("moved", moved), ("removed", removed)) if n}


def check(rows: Rows, outcome: Outcome) -> None:
    kept, dropped, changed = expected(rows)
    assert dict(outcome.kept.select("id", "answers").iter_rows()) == kept
    assert dict(outcome.dropped.select("id", "reason").iter_rows()) == dropped
    assert outcome.changed == changed
    assert outcome.kept.schema == table([]).schema


@given(st.lists(st.tuples(CONTEXT, st.none() | st.lists(ANSWER, max_size=3)), max_size=6))
def test_against_plain_python(rows: Rows) -> None:
    check(rows, apply(rows))


def test_code_points_and_not_bytes() -> None:
    outcome = apply(
        [("😀中文 answer", [{"text": "answer", "start": 4}]), ("😀中文 answer", [{"text": "answer", "start": 11}])]
    )
    assert [a[0]["start"] for a in outcome.kept["answers"].to_list()] == [4, 4]
    assert outcome.changed == {"moved": 1}


def test_the_evidence_is_the_answer_and_its_place() -> None:
    outcome = apply([("one two", [{"text": "three", "start": 2}]), ("aaa", [{"text": "aa", "start": 7}])])
    assert outcome.dropped.select("reason", "evidence").rows() == [
        ("not_found", "three at 2"),
        ("ambiguous", "aa at 7"),
    ]


def test_what_cannot_be_asked() -> None:
    with pytest.raises(ConfigError, match="no column 'passage'"):
        Spans(context="passage").apply(table([]), Facts("p"))
    with pytest.raises(ConfigError, match="'answers' is String"):
        Spans().apply(table([]).with_columns(pl.lit("x").alias("answers")), Facts("p"))


@pytest.mark.mirror
def test_real_questions_are_right_and_shifted_ones_are_put_right(mirror: Path) -> None:
    path = sorted((mirror / "drcd").glob("*dev*.json"))[0]
    rows: Rows = []
    for article in json.loads(path.read_text(encoding="utf-8-sig"))["data"]:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                answers = [{"text": a["text"], "start": a["answer_start"]} for a in question["answers"]]
                rows.append((paragraph["context"], answers))
    assert len(rows) > 3000
    clean = apply(rows)
    assert clean.kept.equals(table(rows)) and clean.dropped.is_empty() and not clean.changed
    shifted: Rows = [(context, [{**a, "start": a["start"] + 1} for a in answers or []]) for context, answers in rows]
    outcome = apply(shifted)
    check(shifted, outcome)
    assert outcome.kept.height > 2400 and outcome.dropped.height > 0
