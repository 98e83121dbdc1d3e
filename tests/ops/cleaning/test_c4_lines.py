from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.cleaning.c4_lines import C4Lines
from ops.quality.rules import LineRules
from ops.steps import Facts
from tests.ops.quality import naive
from tests.ops.quality.test_features import TEXTS

LOOSE = LineRules(min_words=1, max_word_length=20, terminal_punctuation=False, citations=False, policy=False)


def apply(step: C4Lines, texts: list[str | None]) -> tuple[list[str | None], dict[str, int]]:
    table = pl.DataFrame({"id": [str(k) for k in range(len(texts))], "text": texts}, schema={"id": str, "text": str})
    outcome = step.apply(table, Facts("p"))
    assert outcome.dropped.is_empty() and outcome.kept["id"].to_list() == table["id"].to_list()
    return outcome.kept["text"].to_list(), dict(outcome.changed)


@settings(max_examples=100)
@given(st.lists(st.none() | TEXTS, min_size=1, max_size=8), st.sampled_from([LineRules(), LOOSE]))
def test_against_plain_python(texts: list[str | None], rules: LineRules) -> None:
    found, changed = apply(C4Lines(lines=rules), texts)
    expected = [None if text is None else "\n".join(naive.c4(text, rules)[0]).strip() for text in texts]
    assert found == expected
    assert sum(changed.values()) == sum(a != b for a, b in zip(texts, expected, strict=True))


def test_what_goes_and_why() -> None:
    text = (
        "  A sentence of words.[1]\nA heading\nPlease enable JavaScript to go on.\n"
        "We use cookies on this page.\nAnd so on and on...\nShort one.\nHe said that it is 'so'"
    )
    found, changed = apply(C4Lines(), [text, "One line that stays as it is.", "  A line in white space.  ", None, ""])
    assert found[0] == "A sentence of words.\nHe said that it is 'so'"
    assert found[1:] == ["One line that stays as it is.", "A line in white space.", None, ""]
    assert changed == {"lines": 1, "marks": 1}
    again, changed = apply(C4Lines(), found)
    assert again == found and not changed
