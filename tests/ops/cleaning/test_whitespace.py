import re
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.cleaning.whitespace import Whitespace
from ops.steps import Facts, Outcome

# The 25 characters of the Unicode property White_Space, written out (PropList.txt).
WHITE = "\t\n\x0b\x0c\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
BLANK = "".join(sorted(set(WHITE) - {"\n"}))
TEXTS = st.text(st.sampled_from([*"ab", *WHITE, *" \n\n\r"]), max_size=20)


def tidy(texts: list[str | None], **settings: Any) -> Outcome:
    table = pl.DataFrame({"id": [str(k) for k in range(len(texts))], "text": texts}, schema={"id": str, "text": str})
    return Whitespace(**settings).apply(table, Facts("p"))


def words(text: str, white: str) -> list[str]:
    return [word for word in re.split(f"[{white}]", text) if word]


def oracle(text: str, newlines: int | None, indentation: bool) -> str:
    if newlines == 0:
        return " ".join(words(text, WHITE))
    for end in ("\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"):
        text = text.replace(end, "\n")
    lines = []
    for line in text.split("\n"):
        lead = line[: len(line) - len(line.lstrip(BLANK))] if indentation and line.strip(BLANK) else ""
        lines.append(lead + " ".join(words(line, BLANK)))
    text = "\n".join(lines).strip("\n")
    return text if newlines is None else re.sub(f"\n{{{newlines + 1},}}", "\n" * newlines, text)


@given(TEXTS, st.sampled_from([0, 1, 2, 3, None]), st.booleans())
def test_against_a_loop_over_lines(text: str, newlines: int | None, indentation: bool) -> None:
    once = tidy([text], newlines=newlines, indentation=indentation).kept["text"].item()
    assert once == oracle(text, newlines, indentation)
    assert tidy([once], newlines=newlines, indentation=indentation).changed == {}


def test_changed_rows_are_counted_and_nulls_stay() -> None:
    outcome = tidy([None, "as it is", " a  b ", "line\n\n\n\nline"])
    assert outcome.kept["text"].to_list() == [None, "as it is", "a b", "line\n\nline"]
    assert outcome.changed == {"whitespace": 2}


def test_indentation_of_code_is_kept() -> None:
    code = "def f():\n    return  1   \n"
    assert tidy([code], indentation=True).kept["text"].item() == "def f():\n    return 1"
    assert tidy([code]).kept["text"].item() == "def f():\nreturn 1"


@pytest.mark.parametrize("character", WHITE, ids=lambda c: f"{ord(c):04X}")
@pytest.mark.parametrize("newlines", [0, 1, 2, None])
def test_each_kind_of_white_space(character: str, newlines: int | None) -> None:
    for text in (f"a{character}b", f"{character}a {character}b{character}", f"a{character * 3}b"):
        for indentation in (False, True):
            found = tidy([text], newlines=newlines, indentation=indentation).kept["text"].item()
            assert found == oracle(text, newlines, indentation), ascii(text)


@pytest.mark.parametrize(
    ("newlines", "expected"), [(0, "a b"), (1, "a\nb"), (2, "a\n\nb"), (3, "a\n\n\nb"), (None, "a\n\n\nb")]
)
def test_the_longest_run_of_newlines(newlines: int | None, expected: str) -> None:
    assert tidy(["a\n \n\nb"], newlines=newlines).kept["text"].item() == expected
