import json
import math

import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from ops.tokenization.base import SPECIAL
from ops.tokenization.unigram import Unigram

CORPUS = ["the cat and the dog sat on the mat", "a dog and a cat", "cats dogs mats hats that chat"] * 4
TOKENIZER = Unigram(vocabulary=40, max_length=64)
TRAINED = TOKENIZER.train(CORPUS)
TEXTS = st.lists(st.lists(st.sampled_from(["the", "cat", "dogs", "hat", "mat", "tac", " "]), max_size=6).map(" ".join))


def scores() -> dict[str, float]:
    return {name: score for name, score in json.loads(TRAINED)["model"]["vocab"] if name not in SPECIAL}


def best(word: str, score: dict[str, float]) -> float:
    """Score of the most likely segmentation, by trying all."""
    options = (score[word[:k]] + best(word[k:], score) for k in range(1, len(word) + 1) if word[:k] in score)
    return max(options, default=-math.inf) if word else 0.0


@given(TEXTS)
def test_the_most_likely_segmentation_is_found(texts: list[str]) -> None:
    score = scores()
    names = {number: name for name, number in tokenizers.Tokenizer.from_str(TRAINED).get_vocab().items()}
    tokens, lengths = TOKENIZER.encoder(TRAINED).encode(texts)
    start = 0
    for text, length in zip(texts, lengths, strict=True):
        pieces = [names[token] for token in tokens[start + 1 : start + length].tolist()]
        start += length
        words = ["▁" + word for word in text.split()]
        assert "".join(pieces) == "".join(words)
        assert math.isclose(
            sum(score[piece] for piece in pieces), sum(best(word, score) for word in words), rel_tol=1e-9
        )


def test_frequent_words_are_pieces_and_the_size_is_kept() -> None:
    assert {"▁the", "▁a", "▁dog"} <= set(scores())
    assert TOKENIZER.size(TRAINED) <= 40


def test_words_that_occur_once_are_not_learned_from() -> None:
    assert "z" not in "".join(scores()) and "z" not in "".join(Unigram(vocabulary=40).train([*CORPUS, "zzzz"]))[-50:]


def test_unknown_text_and_the_names_of_special_tokens() -> None:
    rows, lengths = TOKENIZER.encoder(TRAINED).encode(["[PAD]", "[MASK][SEP]", "Ωж"])
    assert set(rows.tolist()) - set(range(5, 40)) == {SPECIAL.index("[UNK]"), SPECIAL.index("[CLS]")}
    assert rows.tolist().count(SPECIAL.index("[CLS]")) == len(lengths) == 3
