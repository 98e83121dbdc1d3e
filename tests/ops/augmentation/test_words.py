from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.augmentation.config import Augmentation
from ops.augmentation.draws import as_seeds, uniforms
from ops.augmentation.eda import Eda
from ops.augmentation.word_dropout import WordDropout
from ops.augmentation.word_swap import WordSwap
from ops.augmentation.words import Rows, TextChange, inserted, words_of
from ops.steps import Facts

WORDS = st.sampled_from(["a", "bb", "ä", "中", "d!"])
TEXTS = st.lists(st.none() | st.lists(WORDS, max_size=8).map(" ".join), max_size=6)
RATES = st.sampled_from([0.05, 0.3, 1.0])


def changed(step: TextChange, texts: list[str | None], seeds: list[int] | None = None) -> list[str | None]:
    seeds = list(range(len(texts))) if seeds is None else seeds
    return step.change(pl.Series("text", texts, pl.String), seeds, None).to_list()


def words(text: str | None) -> list[str]:
    return (text or "").split()


@given(TEXTS, RATES)
def test_dropout_leaves_words_in_order(texts: list[str | None], rate: float) -> None:
    for before, after in zip(texts, changed(WordDropout(rate=rate), texts), strict=True):
        assert (before is None) == (after is None)
        rest = iter(words(before))
        assert all(word in rest for word in words(after))  # a subsequence
        assert bool(words(after)) == bool(words(before))


@given(st.text(st.sampled_from("ab\u00e9\t\n\x0b\x1c\x1f\x85\xa0\u1680\u180e\u2003\u200b\u2028\u3000 ")))
def test_words_end_at_the_white_space_of_unicode(text: str) -> None:
    assert words_of(text) == pl.Series([text]).str.extract_all(r"\S+").to_list()[0]  # as regexes in Rust have it


@given(TEXTS, RATES)
def test_swaps_keep_the_words(texts: list[str | None], rate: float) -> None:
    for before, after in zip(texts, changed(WordSwap(rate=rate), texts), strict=True):
        assert Counter(words(before)) == Counter(words(after))


@given(TEXTS, RATES)
def test_insertion_adds_own_words(texts: list[str | None], rate: float) -> None:
    class Insert(TextChange):
        def rearranged(self, rows: Rows) -> Rows:
            return inserted(rows, rate, 1)

    for before, after in zip(texts, changed(Insert(), texts), strict=True):
        count = len(words(before))
        assert len(words(after)) == count + (max(1, round(rate * count)) if count else 0)
        assert set(words(after)) == set(words(before))
        rest = iter(words(after))
        assert all(word in rest for word in words(before))


@given(TEXTS, st.permutations(range(6)))
def test_a_row_is_changed_alike_wherever_it_stands(texts: list[str | None], order: list[int]) -> None:
    order = [k for k in order if k < len(texts)]
    for step in (WordDropout(rate=0.3), WordSwap(rate=0.5), Eda(rate=0.3), Eda(unit="character", probability=0.5)):
        whole = changed(step, texts)
        assert changed(step, [texts[k] for k in order], order) == [whole[k] for k in order]


def test_rates_are_kept() -> None:
    text = " ".join(str(k) for k in range(100))
    left = [len(words(after)) for after in changed(WordDropout(rate=0.2), [text] * 300)]
    assert 79 < sum(left) / 300 < 81
    moved = [sum(a != b for a, b in zip(words(t), words(text), strict=True)) for t in changed(WordSwap(), [text] * 300)]
    assert max(moved) <= 20 and 17 < sum(moved) / 300 < 20


def test_eda_draws_one_of_three() -> None:
    text = " ".join(str(k) for k in range(40))
    kinds = Counter(
        "insert" if len(words(t)) > 40 else "swap" if len(words(t)) == 40 else "drop"
        for t in changed(Eda(rate=0.2), [text] * 600)
    )
    assert all(150 < kinds[kind] < 250 for kind in ("insert", "swap", "drop"))


def test_characters_where_words_are_not_written_apart() -> None:
    text = "敏捷的棕色狐狸跳过懒狗"
    (after,) = changed(WordDropout(rate=0.3, unit="character"), [text])
    assert after and 3 < len(after) < len(text) and " " not in after
    assert changed(WordDropout(rate=0.9), [text]) == [text]  # one word


def test_probability_is_the_share_of_copies() -> None:
    text = "a b c d e f g h i j"
    after = changed(WordSwap(rate=0.5, probability=0.25), [text] * 800)
    assert 0.2 < sum(t != text for t in after) / 800 < 0.28
    assert changed(WordSwap(probability=0.0), ["a  b"]) == ["a  b"]


def test_draws_are_even_and_fixed_for_ever() -> None:
    seeds = as_seeds(range(20_000))
    draws = uniforms(seeds, seeds.astype("i8") % 7, 3)
    counts, _ = np.histogram(draws, bins=50, range=(0, 1))
    assert ((counts - 400) ** 2 / 400).sum() < 85.4  # 49 degrees of freedom, p = 0.001
    assert uniforms(as_seeds([1]), seeds[:1].astype("i8"), 0)[0] == pytest.approx(FIRST, abs=1e-15)


FIRST = 0.4639787321043459


def test_copies_of_text_by_a_recipe() -> None:
    table = pl.DataFrame(
        {"id": ["p/0", "p/1"], "text": ["one two three four", "five six seven"], "split": ["train", "test"]}
    )
    steps: list[dict[str, Any]] = [{"kind": "eda", "rate": 0.3}, {"kind": "bpe_dropout", "rate": 0.2}]
    outcome = Augmentation.model_validate({"copies": 3, "steps": steps}).apply(table, Facts("p"), "text")
    assert outcome.added == 3 and outcome.kept["dropout_rate"].to_list() == [0.0, 0.0, 0.2, 0.2, 0.2]
    seeds = outcome.kept["dropout_seed"].to_list()
    assert seeds[:2] == [0, 0] and len(set(seeds[2:])) == 3
    assert all(set(words(text)) <= {"one", "two", "three", "four"} for text in outcome.kept["text"][2:])
