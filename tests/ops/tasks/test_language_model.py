import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from ops.errors import IntegrityError
from ops.nn.spec import ImageSpec, TextSpec
from ops.stages.streams import stream_windows
from ops.tasks.language_model import OUTSIDE, LanguageModel

TASK = LanguageModel.model_validate({"input": "text", "context": 4})
SPEC = TextSpec(vocabulary=7, max_length=4)
VALUES = np.array([[2, 5, 6, 5, 1], [2, 3, 0, 0, 0], [4, 4, 4, 0, 0]], dtype="<u2")
LENGTHS = np.array([5, 2, 3])


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    (tokens,) = TASK.collate(VALUES, LENGTHS, SPEC)
    return tokens, torch.from_numpy(TASK.targets(VALUES, LENGTHS, np.zeros((3, 0))))


def test_each_token_is_asked_for_the_next() -> None:
    tokens, told = batch()
    assert tokens.tolist() == [[2, 5, 6, 5], [2, 3, 0, 0], [4, 4, 4, 0]]
    assert told.tolist() == [
        [5, 6, 5, 1], [3, OUTSIDE, OUTSIDE, OUTSIDE], [4, 4, OUTSIDE, OUTSIDE],
    ]  # fmt: skip
    assert TASK.units(LENGTHS).tolist() == [4, 1, 2] and TASK.width(5) == 4
    assert TASK.outputs(0, SPEC) == 7
    with pytest.raises(IntegrityError, match="reads text, not image"):
        TASK.outputs(0, ImageSpec(height=1, width=1, channels=1))


def test_loss_and_tally_against_one_token_at_a_time() -> None:
    _, told = batch()
    logits, weights = torch.randn(3, 4, 7, dtype=torch.float64), torch.tensor([1.0, 1.0, 0.0])
    nats, hits, counts = 0.0, 0, [0] * 7
    for row, place in [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0)]:
        target = int(told[row, place])
        nats -= float(logits[row, place].log_softmax(0)[target])
        hits += int(logits[row, place].argmax()) == target
        counts[target] += 1
    assert float(TASK.loss(logits, told, weights)) == pytest.approx(nats)
    tally = TASK.tally(logits, told, weights, 7).numpy()
    np.testing.assert_allclose(tally, [nats, hits, *counts])
    found = TASK.metrics(tally)
    assert found["nats"] == pytest.approx(nats / 5) and found["accuracy"] == hits / 5
    assert found["perplexity"] == pytest.approx(math.exp(nats / 5))
    shares = np.array([c for c in counts if c]) / 5
    naive = TASK.naive(tally)
    assert naive["unigram_nats"] == pytest.approx(-(shares * np.log(shares)).sum())
    assert TASK.lost({"nats": 2.0, "unigram_nats": 1.0}).startswith("it needs 2.000 nats a token")
    assert not TASK.lost({"nats": 0.9, "unigram_nats": 1.0}) and TASK.score(found) == -found["nats"]
    summed = TASK.tally(logits, told, torch.tensor([0.0, 0.0, 1.0]), 7) + torch.from_numpy(tally)
    np.testing.assert_allclose(summed, TASK.nothing(7) + TASK.tally(logits, told, torch.ones(3), 7))


def test_smoothing_is_that_of_torch() -> None:
    _, told = batch()
    logits = torch.randn(3, 4, 7)
    expected = functional.cross_entropy(
        logits.flatten(0, 1), told.flatten(), label_smoothing=0.1, ignore_index=OUTSIDE, reduction="sum"
    )
    torch.testing.assert_close(TASK.loss(logits, told, torch.ones(3), 0.1), expected)


@given(st.lists(st.integers(1, 20), max_size=8), st.integers(1, 6))
def test_windows_tell_every_token_of_a_text_but_the_first_once(lengths: list[int], context: int) -> None:
    found = stream_windows(np.array(lengths, np.int64), context)
    expected, start = [], 0
    for text, length in enumerate(lengths):
        expected += [(text, start + at, min(context, length - 1 - at) + 1) for at in range(0, length - 1, context)]
        start += length
    assert list(zip(found.text, found.offset, found.length, strict=True)) == expected


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), max_size=8), st.integers(1, 6))
def test_windows_across_texts_see_one_stream_for_each_split(texts: list[tuple[int, int]], context: int) -> None:
    texts = sorted(texts, key=lambda text: text[0])
    lengths = np.array([length for _, length in texts], np.int64)
    groups = np.array([group for group, _ in texts], np.int64)
    found = stream_windows(lengths, context, groups)
    places = np.repeat(np.arange(len(texts)), lengths)
    expected, start = [], 0
    for group in sorted(set(groups.tolist())):
        length = int(lengths[groups == group].sum())
        windows = [(start + at, min(context, length - 1 - at) + 1) for at in range(0, length - 1, context)]
        expected += [(int(places[offset]), offset, size) for offset, size in windows]
        start += length
    assert list(zip(found.text, found.offset, found.length, strict=True)) == expected
