from collections import Counter

import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from ops.tokenization.base import SPECIAL
from ops.tokenization.character import Character

TEXTS = st.lists(st.text("ab \n中😀\0[P", max_size=12), max_size=6)


@given(TEXTS)
def test_against_a_counter(texts: list[str]) -> None:
    counts = Counter("".join(texts))
    known = sorted((c for c in counts if counts[c] >= 2), key=lambda c: (-counts[c], ord(c)))[:4]
    tokenizer = Character(vocabulary=9, max_length=7)
    model = tokenizer.train(iter(texts))
    numbers = {c: len(SPECIAL) + k for k, c in enumerate(known)}
    tokens, lengths = tokenizer.encoder(model).encode(texts)
    expected = [[SPECIAL.index("[CLS]"), *(numbers.get(c, SPECIAL.index("[UNK]")) for c in t[:6])] for t in texts]
    assert lengths.tolist() == [len(row) for row in expected]
    assert tokens.tolist() == [token for row in expected for token in row]


def test_the_text_comes_back() -> None:
    tokenizer = Character(max_length=100)
    model = tokenizer.train(["a b\nc 中", "a b\nc 中"])
    tokens, _ = tokenizer.encoder(model).encode(["a c\n中"])
    assert tokenizers.Tokenizer.from_str(model).decode(tokens.tolist()) == "a c\n中"


def test_more_characters_than_16_bits_number() -> None:
    every = [chr(k) for k in range(0x20, 0x30000) if not 0xD800 <= k < 0xE000][:70_000]
    tokenizer = Character(vocabulary=80_000, min_frequency=1)
    model = tokenizer.train(["".join(every)])
    tokens, lengths = tokenizer.encoder(model).encode([every[-1] + every[0]])
    assert tokenizer.size(model) == 70_005
    assert tokens.dtype == "<u4" and tokens.tolist() == [2, 70_004, 5] and lengths.tolist() == [3]
