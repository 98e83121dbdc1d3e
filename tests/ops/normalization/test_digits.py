import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.normalization.digits import Digits
from ops.steps import Facts

TEXTS = st.lists(
    st.none() | st.text(st.characters(categories=["Nd", "No", "Ll"]) | st.sampled_from("09٣५𝟘.,² "), max_size=9)
)


def apply(step: Digits, texts: list[str | None]) -> pl.DataFrame:
    table = pl.DataFrame({"id": [str(k) for k in range(len(texts))], "text": texts}, schema={"id": str, "text": str})
    outcome = step.apply(table, Facts("p"))
    changed = sum(a != b for a, b in zip(texts, outcome.kept["text"], strict=True))
    assert outcome.changed.get("digits", 0) == changed and outcome.dropped.is_empty()
    return outcome.kept


@given(TEXTS)
def test_against_unicodedata(texts: list[str | None]) -> None:
    expected = [text and "".join(str(unicodedata.decimal(c, c)) for c in text) for text in texts]
    assert apply(Digits(), texts)["text"].to_list() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("born 1984, aged 3.5", "born $n, aged $n"),
        ("1,000,000.", "$n."),
        ("٣٤ and 1..2", "$n and $n..$n"),
        ("v2beta", "v$nbeta"),
        ("½ x²", "½ x²"),
    ],
)
def test_placeholder(text: str, expected: str) -> None:
    assert apply(Digits(placeholder="$n"), [text, None])["text"].to_list() == [expected, None]
