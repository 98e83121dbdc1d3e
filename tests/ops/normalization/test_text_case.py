import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.normalization.text_case import TextCase
from ops.steps import Facts

TEXTS = st.lists(st.none() | st.text(st.characters(max_codepoint=0x17F) | st.sampled_from("ΑΣσςЖж ßİıǅ"), max_size=9))


@given(TEXTS)
def test_against_python(texts: list[str | None]) -> None:
    table = pl.DataFrame({"id": [str(k) for k in range(len(texts))], "text": texts}, schema={"id": str, "text": str})
    lower = TextCase().apply(table, Facts("p"))
    assert lower.kept["text"].to_list() == [text and text.lower() for text in texts]
    upper = TextCase(case="upper").apply(table, Facts("p"))
    assert upper.kept["text"].to_list() == [text and text.upper() for text in texts]
    assert upper.changed.get("text_case", 0) == sum(text is not None and text.upper() != text for text in texts)


@pytest.mark.parametrize(("text", "lower", "upper"), [("ΟΔΟΣ", "οδος", "ΟΔΟΣ"), ("Straße", "straße", "STRASSE")])
def test_full_mapping(text: str, lower: str, upper: str) -> None:
    table = pl.DataFrame({"id": ["1"], "text": [text]})
    assert TextCase().apply(table, Facts("p")).kept["text"].item() == lower
    assert TextCase(case="upper").apply(table, Facts("p")).kept["text"].item() == upper
