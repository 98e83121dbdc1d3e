import json
import re
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from ops.tokenization.base import SPECIAL
from ops.tokenization.word import Word

TEXTS = st.lists(
    st.lists(st.sampled_from(["cat", "dog", "a_b", "7", "!", "?!", "ä"]), max_size=9).map(" ".join), max_size=8
)


@given(TEXTS)
def test_against_a_counter(texts: list[str]) -> None:
    counts = Counter(word for text in texts for word in re.findall(r"\w+|[^\w\s]+", text))
    frequent = sorted((word for word in counts if counts[word] >= 2), key=lambda word: (-counts[word], word))
    tokenizer = Word(vocabulary=8)
    trained = tokenizer.train(texts)
    vocabulary = json.loads(trained)["model"]["vocab"]
    assert vocabulary == {word: k for k, word in enumerate([*SPECIAL, *frequent[:3]])}
    tokens, lengths = tokenizer.encoder(trained).encode(texts)
    expected = []
    for text in texts:
        row = [vocabulary.get(word, SPECIAL.index("[UNK]")) for word in re.findall(r"\w+|[^\w\s]+", text)]
        expected.append([SPECIAL.index("[CLS]"), *row])
    assert lengths.tolist() == [len(row) for row in expected]
    assert tokens.tolist() == [number for row in expected for number in row]
