import numpy as np
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from ops.tokenization.bpe import Bpe
from ops.tokenization.word_table import WordTable, distinct, gathered
from tests.ops.tokenization.test_gpt2_words import TEXT

MODEL = Bpe(vocabulary=300).train(["a sat at all tales", "stale seats' 1234 1212 !!?! 中中 äää"] * 3)


def library(text: str, length: int) -> list[int]:
    tokenizer = tokenizers.Tokenizer.from_str(MODEL)
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    return list(tokenizer.encode(text).ids)[:length]


@given(st.lists(TEXT, max_size=6), st.integers(2, 20))
def test_the_tokens_are_those_of_the_library(texts: list[str], length: int) -> None:
    encoder = Bpe(vocabulary=300, max_length=length).encoder(MODEL)
    for _ in range(2):  # from an empty table, and from a filled one
        tokens, lengths = encoder.encode(texts)
        expected = [library(text, length) for text in texts]
        assert lengths.tolist() == [len(row) for row in expected]
        assert tokens.tolist() == [token for row in expected for token in row]


def test_a_full_table_begins_anew_and_says_the_same() -> None:
    tokenizer = tokenizers.Tokenizer.from_str(MODEL)
    tokenizer.no_truncation()
    small, large = (WordTable(tokenizer, "<u2", size) for size in (3, 1000))
    for k in range(20):
        words = [f"w{k}", f"x{k % 3}", "same"]
        joined = "".join(words).encode()
        ends = [0]
        for word in words:
            ends.append(ends[-1] + len(word))
        found = [table.tokens_of(joined, np.array(ends)) for table in (small, large)]
        assert found[0][0].tolist() == found[1][0].tolist() and found[0][1].tolist() == found[1][1].tolist()
        assert len(small._places) <= 6


def test_slices_and_kinds() -> None:
    pool = np.arange(10)
    assert gathered(pool, np.array([7, 0, 3]), np.array([2, 0, 3])).tolist() == [7, 8, 3, 4, 5]
    codes, words = distinct(b"ab-ab", np.array([0, 2, 3, 5]))
    assert [words[code] for code in codes] == [b"ab", b"-", b"ab"] and len(words) == 2
