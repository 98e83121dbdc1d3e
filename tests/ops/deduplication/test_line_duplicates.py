from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.deduplication.line_duplicates import LineDuplicates
from ops.errors import IntegrityError
from ops.steps import Facts, Outcome
from tests.ops.deduplication.corpus import NOBODY, cut, sign

LINES = st.sampled_from(
    ["a menu of links", "A  MENU of links", "menu", "", "own line one", "own line two", "  own line one "]
)
TEXTS = st.lists(st.none() | st.lists(LINES, max_size=6).map("\n".join), max_size=10)


def apply(step: LineDuplicates, parts: dict[str, pl.DataFrame], folder, gone: pl.Series = NOBODY) -> Outcome:  # type: ignore[no-untyped-def]
    decided = step.decide(sign(step, parts, folder), gone)
    return step.apply(pl.concat(parts.values()), Facts("0", duplicates={step.key: decided}))


@given(TEXTS, st.integers(2, 4), st.integers(1, 3))
def test_against_a_loop(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str | None], least: int, parts: int
) -> None:
    def key(line: str) -> str | None:
        return " ".join(line.lower().split()) if len(line.strip()) >= 10 else None

    owners: dict[str, set[int]] = {}
    for place, text in enumerate(texts):
        for line in (text or "").split("\n"):
            if key(line):
                owners.setdefault(str(key(line)), set()).add(place)
    goes = {line for line, places in owners.items() if len(places) >= least}
    wanted = [
        None if text is None else "\n".join(line for line in text.split("\n") if key(line) not in goes)
        for text in texts
    ]
    step = LineDuplicates(minimum_texts=least)
    outcome = apply(step, cut(texts, parts), tmp_path_factory.mktemp("lines"))
    found = dict(outcome.kept.select("id", "text").iter_rows())
    assert [found[f"t{place}"] for place in range(len(texts))] == wanted
    changed = sum(a != b for a, b in zip(texts, wanted, strict=True))
    assert outcome.changed == ({"line_duplicates": changed} if changed else {})


def test_rows_that_are_gone_do_not_count(tmp_path) -> None:  # type: ignore[no-untyped-def]
    parts = cut(["same line here\nx", "same line here\ny", "same line here\nz"], 1)
    step = LineDuplicates(minimum_texts=3)
    assert apply(step, parts, tmp_path / "a").changed == {"line_duplicates": 3}
    assert apply(step, parts, tmp_path / "b", pl.Series("id", ["t1"])).changed == {}


def test_without_the_decision_it_is_an_error() -> None:
    with pytest.raises(IntegrityError, match="not known"):
        LineDuplicates().apply(pl.DataFrame({"id": ["a"], "text": ["x"]}), Facts("0"))
