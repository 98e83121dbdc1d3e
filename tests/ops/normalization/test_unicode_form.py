import unicodedata
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.normalization.unicode_form import UnicodeForm
from ops.steps import Facts

# Characters that this Python does not know yet may have a form in a newer Unicode.
TEXTS = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=10), max_size=6)


@pytest.mark.parametrize("form", ["NFC", "NFKC", "NFD", "NFKD"])
@given(texts=TEXTS)
def test_against_unicodedata(form: Any, texts: list[str | None]) -> None:
    table = pl.DataFrame({"id": [str(k) for k in range(len(texts))], "text": texts}, schema={"id": str, "text": str})
    outcome = UnicodeForm(form=form).apply(table, Facts("p"))
    expected = [None if text is None else unicodedata.normalize(form, text) for text in texts]
    assert outcome.kept["text"].to_list() == expected
    assert outcome.changed.get("unicode_form", 0) == sum(a != b for a, b in zip(texts, expected, strict=True))


def test_the_default_folds_compatibility() -> None:
    table = pl.DataFrame({"id": ["1"], "text": ["\ufb01ne x\u00b2 \uff21\u0301"]})
    assert UnicodeForm().apply(table, Facts("p")).kept["text"].item() == "fine x2 \u00c1"
