import re
import string
import unicodedata

import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from ops.tokenization.base import SPECIAL
from ops.tokenization.wordpiece import WordPiece

TEXTS = st.lists(
    st.lists(st.sampled_from(["low", "lower", "new", "newer", "中文", "a-b", "x"]), max_size=9).map(" ".join)
)
TRAINED = WordPiece(vocabulary=60).train(["low lower new newer slow 中文 文"] * 3)


def longest_first(text: str, vocabulary: dict[str, int]) -> list[int]:
    """The algorithm of BERT's reference code."""
    row = [SPECIAL.index("[CLS]")]
    for word in re.findall(r"[\u4e00-\u9fff]|\w+|[^\w\s]", text):
        found: list[int] = []
        start = 0
        while start < len(word):
            ends = (e for e in range(len(word), start, -1) if ("##" if start else "") + word[start:e] in vocabulary)
            end = next(ends, None)
            if end is None:
                found = [SPECIAL.index("[UNK]")]
                break
            found.append(vocabulary[("##" if start else "") + word[start:end]])
            start = end
        row += found
    return row


@given(TEXTS)
def test_the_longest_piece_is_taken_first(texts: list[str]) -> None:
    vocabulary = tokenizers.Tokenizer.from_str(TRAINED).get_vocab()
    tokens, lengths = WordPiece(vocabulary=60).encoder(TRAINED).encode(texts)
    expected = [longest_first(text, vocabulary) for text in texts]
    assert lengths.tolist() == [len(row) for row in expected]
    assert tokens.tolist() == [token for row in expected for token in row]


def test_frequent_words_become_pieces_and_chinese_characters_stay_alone() -> None:
    vocabulary = tokenizers.Tokenizer.from_str(TRAINED).get_vocab()
    assert {"low", "new", "slow", "中", "文"} <= set(vocabulary)
    assert not {"中文", "##中文"} & set(vocabulary)


def test_rare_characters_make_room() -> None:
    tokenizer = WordPiece(vocabulary=15)
    model = tokenizer.train(["ab ba", "abc", "bad", "éa"] * 2)
    vocabulary = tokenizers.Tokenizer.from_str(model).get_vocab()
    assert len(vocabulary) <= 15 and {"a", "b", "c", "d", "é"} & set(vocabulary) == {"a", "b", "c", "d", "é"}
    smaller = tokenizers.Tokenizer.from_str(WordPiece(vocabulary=9).train(["ab ba", "abc", "bad"] * 2)).get_vocab()
    assert set(smaller) == {*SPECIAL, "a", "b", "##a", "##b"}


def _settled(character: str) -> bool:
    """Whether all versions of Unicode say the same of it."""
    category = unicodedata.category(character)
    return category == unicodedata.ucd_3_2_0.category(character) not in ("Cn", "Mn")


def test_the_words_are_those_of_the_library() -> None:
    """The words are counted by a regular expression: it must cut where the library cuts (whose Unicode is older)."""
    from ops.tokenization.word_counts import counted_words
    from ops.tokenization.wordpiece import _WORDS

    old = (chr(k) for k in range(0x20, 0x3000, 3) if _settled(chr(k)))
    sample = "".join(old) + string.printable + "中文㐀豈𠀀 a　b\x85c"
    text = " ".join(f"x{c}y" for c in sample)
    blank = WordPiece().blank()
    assert blank.normalizer is not None and blank.pre_tokenizer is not None
    words = [w for w, _ in blank.pre_tokenizer.pre_tokenize_str(blank.normalizer.normalize_str(text))]
    counted = counted_words([text], _WORDS)
    ours = dict(counted.iter_rows())
    theirs = {w: words.count(w) for w in set(words)}
    differ = {w for w in ours.keys() | theirs.keys() if ours.get(w) != theirs.get(w)} - {"x", "y"}
    assert differ == set()
