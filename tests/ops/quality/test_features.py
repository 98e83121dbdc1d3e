"""All features against plain Python, on made texts and on texts made to be repetitive."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.quality import chunks
from ops.quality.features import text_features
from ops.quality.rules import STOP_WORDS, LineRules
from tests.ops.quality import naive

PIECES = [
    *(
        "the",
        "be",
        "to",
        "of",
        "a",
        "ab",
        "abc",
        "JavaScript",
        "lorem ipsum",
        "use cookies",
        "{",
        "#",
        "-",
        "•",
        "...",
        "…",
    ),
    *(" ", " ", " ", "\n", "\n", "\n\n", "\r\n", "\r", "\t", "\v", "\x1c", "\u2028", "\x85", "\u3000", "  \n"),
    *(".", ". ", "!", "?", '"', "'", "”", "。", "J. S. Bach", "U.S.", "Č.", "[3]", "[edit]", "[citation needed]", "]"),
    *(
        "é",
        "漢字",
        "😀",
        "\0",
        "1",
        "12345678",
        "123456789",
        "sixteen_letters_",
        "seventeen_letters",
        "x" * 130,
        "x" * 131,
    ),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(max_size=40)
WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=120).map(" ".join)


def computed(texts: list[str | None]) -> pl.DataFrame:
    return text_features(pl.Series("text", texts, pl.String), stop_words=STOP_WORDS, short_line=30, lines=LineRules())


def check(texts: list[str]) -> None:
    table = computed(list(texts))
    assert table.height == len(texts)
    for text, row in zip(texts, table.iter_rows(named=True), strict=True):
        expected = {name: float(value) for name, value in naive.features(text).items()}
        assert row == expected, (text, {k: (row[k], v) for k, v in expected.items() if row[k] != v})


@settings(max_examples=150)
@given(st.lists(TEXTS, min_size=1, max_size=12))
def test_against_plain_python(texts: list[str]) -> None:
    check(texts)


@settings(max_examples=100)
@given(st.lists(WORDS, min_size=1, max_size=5))
def test_repetitive_texts(texts: list[str]) -> None:
    check(texts)


def test_a_citation_mark_is_no_part_of_a_sentence() -> None:
    check(["[3]. lorem ipsum dolor.", "One two three.[1] Four. [citation needed]Č. five six.", "[12] A[1]. b c. d e?"])


def test_marks_and_quotation_marks_in_chains() -> None:
    lines = [
        '. U.S.". .',
        'He said ".".".". no.',
        '." a b c.',
        '.". a b c.',
        'a b c."."." d.',
        'A b c.”.”. d."',
        '"." b c d."',
    ]
    check([*lines, "\n".join(lines)])


def test_a_jump_over_first_occurrences() -> None:
    """What is jumped over has not been met: runs whose first occurrence is within a jump, and chains of such."""
    source, texts = random.Random(0), []
    for length, _ in itertools.product((30, 80, 300), range(60)):
        block = source.choices("abc", k=source.randint(5, 14))
        words = list(source.choices("abcd", k=length // 3))
        while len(words) < length:
            start = source.randrange(len(words))
            words += source.choice([block, words[start : start + 11], source.choices("abcd", k=2)])
        texts.append(" ".join(words))
    table = computed(list(texts))
    for text, row in zip(texts, table.iter_rows(named=True), strict=True):
        expected = naive.of_runs(text)
        assert {name: row[name] for name in expected} == expected


def test_the_size_of_pieces_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(1)
    texts = ["".join(source.choices(PIECES, k=source.randint(0, 60))) for _ in range(200)]
    whole = computed(list(texts))
    monkeypatch.setattr(chunks, "CHUNK", 300)
    assert computed(list(texts)).equals(whole)
    assert computed(list(texts[50:])).equals(whole[50:])


def test_bytes_of_a_kind_and_texts_as_one_piece() -> None:
    texts = pl.Series(["", "a]b", "]]]\u00e9", "x" * 50 + "]"])
    chunk = chunks.one_piece(texts, narrow=False)
    content = "\n".join([*texts, ""]).encode()
    assert bytes(chunk.data[: chunk.bounds[-1]]) == content and not chunk.marked.any()
    assert chunk.of(0x5D).tolist() == [place for place, byte in enumerate(content) if byte == 0x5D]
    assert chunk.text_lengths.tolist() == texts.str.len_chars().to_list()


def test_nulls_and_nothing() -> None:
    assert computed(["", None]).n_unique() == 1
    empty = computed([])
    assert empty.is_empty() and empty.columns == computed([""]).columns


def test_one_text_that_repeats_itself_a_hundred_thousand_times() -> None:
    table = computed(["over and over again we say " * 20_000])
    assert table["repeated_5_grams"].item() == pytest.approx(21 / 27, abs=1e-3)
    assert table["top_2_grams"].item() == pytest.approx(8 / 27, abs=1e-3)


@pytest.mark.mirror
def test_real_texts(mirror: Path) -> None:
    text = (next((mirror / "tinyshakespeare").glob("*.txt"))).read_text(encoding="utf-8")
    check([text[start : start + 3000] for start in range(0, 300_000, 3000)])
