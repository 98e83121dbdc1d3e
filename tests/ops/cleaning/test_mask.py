import re
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ops.cleaning.mask import Mask
from ops.steps import Facts, Outcome

WORDS = ["numpy", "np", "numpy.linalg", "np_x", "scikit-learn", "learn", "ö", "c++", "cv2", "2np"]
TEXTS = st.lists(
    st.sampled_from([*WORDS, "NumPy", "NP", "x", "_", "2", " ", ".", "-", "ä", "\ufdd0", "cv"]), max_size=12
).map("".join)
RUN = {"word": r"\w", "part": r"[^\W\d_]", "anywhere": r"[^\s\S]"}


def mask(texts: list[str | None], **settings: Any) -> Outcome:
    table = pl.DataFrame({"id": [str(k) for k in range(len(texts))], "text": texts}, schema={"id": str, "text": str})
    return Mask(**settings).apply(table, Facts("p"))


@settings(max_examples=1000)
@given(TEXTS, st.sampled_from(sorted(RUN)), st.booleans())
def test_against_look_around(text: str, match: Any, case_sensitive: bool) -> None:
    outcome = mask([text], words=WORDS, token="<X$1>", match=match, case_sensitive=case_sensitive)
    run = RUN[match]
    choices = []
    for word in sorted(WORDS, key=len, reverse=True):
        before = f"(?<!{run})" if re.match(run, word[0]) else ""
        behind = f"(?!{run})" if re.match(run, word[-1]) else ""
        choices.append(before + re.escape(word) + behind)
    pattern = re.compile("|".join(choices), 0 if case_sensitive else re.IGNORECASE)
    assert outcome.kept["text"].item() == pattern.sub("<X$1>", text)
    assert outcome.changed == ({"words": 1} if pattern.search(text) else {})


def test_names_of_packages_give_nothing_away() -> None:
    text = "import numpy as np; NumPy.linalg.norm(np.array, numpy)\nnp np np np"
    masked = mask([text], words=["numpy", "np"], token="<LIB>").kept["text"].item()
    assert masked == "import <LIB> as <LIB>; <LIB>.linalg.norm(<LIB>.array, <LIB>)\n<LIB> <LIB> <LIB> <LIB>"


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ("word", "numpy_array _np NumpyArray numpy2 X"),
        ("part", "X_array _X NumpyArray X2 X"),
        ("anywhere", "X_array _X XArray X2 X"),
    ],
)
def test_where_a_word_is_found(match: Any, expected: str) -> None:
    text = "numpy_array _np NumpyArray numpy2 numpy"
    assert mask([text], words=["numpy", "np"], token="X", match=match).kept["text"].item() == expected


def test_a_pattern_comes_after_the_words_and_both_are_counted() -> None:
    texts: list[str | None] = ["np 1.20", "np", "x 3", None, "x"]
    outcome = mask(texts, words=["np"], pattern=r"\d+(\.\d+)*", token="#")
    assert outcome.kept["text"].to_list() == ["# #", "#", "x #", None, "x"]
    assert outcome.changed == {"words": 2, "pattern": 2}


def test_an_empty_token_removes() -> None:
    assert mask(["a np b"], words=["np"], token="").kept["text"].item() == "a  b"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "give words, a pattern or both"),
        ({"words": [""]}, "at least 1 character"),
        ({"words": ["lib"], "token": "<LIB>"}, "contains one of the words"),
        ({"pattern": "(unclosed"}, "not a regular expression"),
        ({"pattern": "(?=look)"}, "not a regular expression"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Mask(**settings)
