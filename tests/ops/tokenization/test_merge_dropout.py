import json
import time
from itertools import pairwise

import numpy as np
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from ops.augmentation.draws import uniforms
from ops.tokenization.base import SPECIAL
from ops.tokenization.bpe import Bpe
from ops.tokenization.gpt2_words import cut_words
from ops.tokenization.merge_dropout import byte_letters
from tests.ops.tokenization.test_gpt2_words import TEXT

BPE = Bpe(vocabulary=300, max_length=30)
MODEL = BPE.train(["a sat at all tales", "stale seats' 1234 1212 !!?! 中中 äää"] * 3)
CONTENT = json.loads(MODEL)["model"]
RANKS = {tuple(pair): rank for rank, pair in enumerate(CONTENT["merges"])}


def naive(text: str, seed: int, rate: float) -> list[int]:
    """Word by word and step by step, as the paper has it."""
    joined, places, _ = cut_words([text])
    row = [SPECIAL.index("[CLS]")]
    for begin, end in pairwise(places):
        parts = [(byte_letters()[joined[k]], int(k)) for k in range(begin, end)]
        for step in range(len(parts)):
            options = []
            for left, right in pairwise(parts):
                rank = RANKS.get((left[0], right[0]))
                draw = uniforms(np.array([seed], np.uint64), np.array([left[1]]), step)[0]
                if rank is not None and draw >= rate:
                    options.append((rank, left[1]))
            if not options:
                break
            place = [at for _, at in parts].index(min(options)[1])
            parts[place : place + 2] = [(parts[place][0] + parts[place + 1][0], parts[place][1])]
        row += [CONTENT["vocab"][name] for name, _ in parts]
    return row[:30]


def rows(texts: list[str], seeds: list[int], rates: list[float]) -> list[list[int]]:
    tokens, lengths = BPE.dropout_encoder(MODEL).encode(texts, seeds, rates)
    return [row.tolist() for row in np.split(tokens, np.cumsum(lengths))[:-1]]


@given(st.lists(st.tuples(TEXT, st.integers(0, 2**64 - 1), st.sampled_from([0.0, 0.1, 0.5, 1.0])), max_size=5))
def test_against_the_algorithm_of_the_paper(cases: list[tuple[str, int, float]]) -> None:
    texts, seeds, rates = ([case[k] for case in cases] for k in range(3))
    assert rows(texts, seeds, rates) == [naive(*case) for case in cases]  # type: ignore[arg-type]


@given(st.lists(TEXT, max_size=5))
def test_with_all_merges_it_is_the_librarys_encoding(texts: list[str]) -> None:
    library = tokenizers.Tokenizer.from_str(MODEL)
    library.encode_special_tokens = True
    assert rows(texts, [1] * len(texts), [0.0] * len(texts)) == [library.encode(text).ids for text in texts]


def test_the_text_comes_back_and_seeds_differ() -> None:
    text = "stale seats and tales 中中 1212"
    library = tokenizers.Tokenizer.from_str(MODEL)
    found = rows([text] * 50, list(range(50)), [0.3] * 50)
    decoder = library.decoder
    assert decoder is not None
    long = Bpe(vocabulary=300, max_length=200).dropout_encoder(MODEL).encode([text] * 50, range(50), [0.3] * 50)
    for row in np.split(long[0], np.cumsum(long[1]))[:-1]:
        assert library.decode(row.tolist()) == text
    assert len({tuple(row) for row in found}) > 40
    assert rows([text], [7], [0.3]) == rows(["x", text], [3, 7], [0.9, 0.3])[1:]


def test_a_share_of_merges_is_left_out_as_often_as_by_the_library() -> None:
    model = tokenizers.Tokenizer.from_str(MODEL)
    model.model.dropout = 0.3
    model.no_truncation()
    text = "stale tales at all seats"
    library = np.mean([len(model.encode(text).ids) for _ in range(600)])
    encoder = Bpe(vocabulary=300, max_length=200).dropout_encoder(MODEL)
    ours = encoder.encode([text] * 600, range(600), [0.3] * 600)[1].mean()
    assert abs(ours - library) < 0.1 * library


def test_a_long_word_takes_no_time_to_speak_of() -> None:
    started = time.process_time()
    rows(["stale" * 300], [1], [0.2])
    assert time.process_time() - started < 5
