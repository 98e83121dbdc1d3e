import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.errors import BadData
from ops.evaluation.baselines.base import Streams
from ops.evaluation.baselines.ngram import Ngram

V = 4
RUNS = st.lists(st.lists(st.integers(0, V - 1), min_size=1, max_size=12), min_size=1, max_size=6)


def streams(runs: list[list[int]], vocabulary: int = V) -> Streams:
    """The runs in an array in which other things lie between them."""
    flat, starts = [], []
    for run in runs:
        flat.append(vocabulary - 1)
        starts.append(len(flat))
        flat += run
    return Streams(np.array(flat, "<u2"), np.array(starts), np.array([len(run) for run in runs]), vocabulary)


class Naive:
    """The same by dictionaries, a probability at a time, as the papers write it."""

    def __init__(self, runs: list[list[int]], order: int) -> None:
        self.order = min(order, max(map(len, runs)))
        raw = [Counter[tuple[int, ...]]() for _ in range(order + 2)]
        before: dict[tuple[int, ...], set[int | None]] = defaultdict(set)
        for run in runs:
            for end in range(1, len(run) + 1):
                for k in range(1, min(order, end) + 1):
                    gram = tuple(run[end - k : end])
                    raw[k][gram] += 1
                    before[gram].add(run[end - k - 1] if end > k else None)
        self.counts = [dict(raw[k]) for k in range(order + 1)]
        for k in range(1, self.order):
            self.counts[k] = {gram: len(before[gram]) for gram in raw[k]}
        self.discounts = [self._discounts(list(found.values())) for found in self.counts]

    def _discounts(self, counts: list[int]) -> tuple[float, float, float]:
        n = [sum(c == j for c in counts) for j in range(5)]
        usual = (0.5, 1.0, 1.5)
        if not n[1] or not n[2]:
            return usual
        y = n[1] / (n[1] + 2 * n[2])
        found = [j - (j + 1) * y * n[j + 1] / n[j] if n[j] else usual[j - 1] for j in (1, 2, 3)]
        one, two, three = (min(max(d, 0.05), float(j)) for j, d in enumerate(found, 1))
        return one, two, three

    def probability(self, context: tuple[int, ...], token: int, k: int) -> float:
        if k == 0:
            return 1 / V
        after = {g[-1]: c for g, c in self.counts[k].items() if g[:-1] == context}
        lower = self.probability(context[1:], token, k - 1)
        if not after:
            return lower
        taken = {w: min(self.discounts[k][min(c, 3) - 1], c) for w, c in after.items()}
        total = sum(after.values())
        return (after.get(token, 0) - taken.get(token, 0)) / total + sum(taken.values()) / total * lower

    def nats(self, runs: list[list[int]]) -> list[float]:
        found = []
        for run in runs:
            for place in range(1, len(run)):
                k = min(self.order, place + 1)
                found.append(-math.log(self.probability(tuple(run[place - k + 1 : place]), run[place], k)))
        return found


@settings(max_examples=100, deadline=None)
@given(RUNS, RUNS, st.integers(1, 4))
def test_against_dictionaries(train: list[list[int]], test: list[list[int]], order: int) -> None:
    if max(map(len, train)) < 2:
        with pytest.raises(BadData, match="no training run has two tokens"):
            Ngram(order=order).fit_tell(streams(train), streams(test))
        return
    found = Ngram(order=order).fit_tell(streams(train), streams(test))
    np.testing.assert_allclose(found.predictions, Naive(train, order).nats(test), rtol=1e-9)


def test_probabilities_of_all_tokens_add_up_to_one() -> None:
    draw = np.random.default_rng(0)
    train = streams([draw.integers(0, 20, 400).tolist()], 20)
    context = draw.integers(0, 20, 6).tolist()
    told = Ngram(order=5).fit_tell(train, streams([[*context, token] for token in range(20)], 20))
    last = told.predictions.reshape(20, 6)[:, -1]
    assert np.exp(-last).sum() == pytest.approx(1.0)


def test_longer_context_helps_where_there_is_something_to_see() -> None:
    draw = np.random.default_rng(1)
    text = [0, 0]
    for _ in range(3000):  # the next token depends on the last two
        text.append(int((text[-1] + 2 * text[-2] + (draw.random() < 0.2)) % 3))
    train, test = streams([text[:2500]], 3), streams([text[2500:]], 3)
    one, two, three = (Ngram(order=k).fit_tell(train, test) for k in (1, 2, 3))
    assert three.predictions.mean() < 0.62 < two.predictions.mean() <= one.predictions.mean() + 0.01
    assert three.cost.parameters == 3 + 9 + 18 and three.cost.cpu_seconds is not None
