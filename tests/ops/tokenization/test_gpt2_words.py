from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from ops.tokenization.gpt2_words import cut_words

PARTS = ["a", "s", "t", "re", "ve", "ll", "d", "m", "l", "e", "'", "''", " ", "  ", "\n", "\t", "\u3000", "\xa0", "1"]
PARTS += ["²", "!", "?", "ä", "中", "😀", "\x1c", "\u0301", "\x85", "\0", "’", "S", "𝟙", "ⅷ", "\u2028", "\r\n"]
TEXT = st.lists(st.sampled_from(PARTS), max_size=12).map("".join)
LIBRARY = pre_tokenizers.ByteLevel(add_prefix_space=False)


def ours(texts: list[str]) -> list[list[str]]:
    joined, places, before = cut_words(texts)
    words = [joined[a:b].decode() for a, b in pairwise(places)]
    return [words[a:b] for a, b in pairwise(before)]


def theirs(texts: list[str]) -> list[list[str]]:
    return [[text[a:b] for _, (a, b) in LIBRARY.pre_tokenize_str(text)] for text in texts]


@given(st.lists(TEXT | st.text(max_size=9), max_size=5))
def test_the_words_are_those_of_the_library(texts: list[str]) -> None:
    assert ours(texts) == theirs(texts)


def test_every_character_is_of_the_librarys_class() -> None:
    every = [chr(k) for k in range(0x110000) if not 0xD800 <= k < 0xE000]
    for start in range(0, len(every), 4096):
        # Between a letter and a number each class of character is cut in its own way.
        texts = ["a" + c + "1" for c in every[start : start + 4096]] if start < 0x3400 else []
        assert ours(texts) == theirs(texts)


def test_endings_at_the_end_of_texts() -> None:
    texts = ["it's", "'", "'s", "'r", "'re", "s'", "x'v", "e", "'l", "l", "", "'", "s"]
    assert ours(texts) == theirs(texts)
