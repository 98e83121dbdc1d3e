from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.evaluation.text import clip, line, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("gpj.\u202eexe", "gpj.<U+202E>exe"),
        ("a\x00b\x1b[31m", "a<U+0000>b<U+001B>[31m"),
        ("half \ud83d", "half <U+D83D>"),
        ("a\r\nb\rc\td", "a\nb\nc\td"),
        ("\u05e9\u05dc\u05d5\u05dd\u200f", "\u05e9\u05dc\u05d5\u05dd\u200f"),
        ("na\u00efve \U0001f600", "na\u00efve \U0001f600"),
    ],
)
def test_hidden_characters_become_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


any_text = st.text(st.characters(exclude_categories=()))


@given(any_text)
def test_the_result_can_be_written_and_does_not_reorder(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert not set(shown) & {chr(c) for c in (*range(9), 0x7F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
    assert visible(shown) == shown


@given(any_text, st.integers(1, 50))
def test_lines_are_short_and_single(text: str, limit: int) -> None:
    shown = line(text, limit)
    assert len(shown) <= limit
    assert "\n" not in shown


def test_clip_marks_the_cut() -> None:
    assert clip("abcdef", 6) == "abcdef"
    assert clip("abcdefg", 6) == "abcde\N{HORIZONTAL ELLIPSIS}"
