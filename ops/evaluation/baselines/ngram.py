"""What comes next by counting what came after the last few tokens: n-grams with Kneser-Ney smoothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ops.evaluation.baselines.base import Baseline, Guess, Streams

Ids = NDArray[np.int64]
Numbers = NDArray[np.float64]

USUAL = (0.5, 1.0, 1.5)
"""Discounts of counts 1, 2 and above where there are too few n-grams to estimate them."""

LEAST = 0.05
"""Smallest discount: with none at all what never occurred would be impossible."""


class Ngram(Baseline):
    """Interpolated modified Kneser-Ney smoothing (Kneser and Ney, 1995; Chen and Goodman, 1998).

    With h the last k - 1 tokens, h' those without the first, and a the counts of order k:

        P_k(w | h) = (a(hw) - D(a(hw))) / a(h) + g(h) P_(k-1)(w | h'),   P_0 = 1 / vocabulary

    a(hw) is how often hw occurs for the highest order; for the others, behind how many different tokens it does, the
    beginning of a run counting as one. D are three discounts for counts of 1, 2 and more, from the numbers of n-grams
    that occur one to four times; g(h) gives back what they took. A context that never occurred leaves it to the lower
    order. At the beginning of a run contexts are shorter.
    """

    applies_to: ClassVar[frozenset[str]] = frozenset({"stream"})
    title: ClassVar[str] = "Kneser-Ney n-grams"

    kind: Literal["ngram"] = "ngram"
    """N-grams of tokens with Kneser-Ney smoothing."""
    order: Annotated[int, Field(ge=1, le=32)] = 5
    """Longest n-gram: with 5 the last four tokens tell the next."""

    def tell(self, train: Streams, test: Streams) -> Guess:
        """Count the training runs and tell the others."""
        tokens, places = train.flat()
        orders: list[_Grams] = []
        for k in range(1, self.order + 1):
            if k > int(places.max()) + 1:
                break  # no run is so long
            orders.append(_count(tokens, places, orders[-1] if orders else None, k, train.vocabulary))
        contexts = [1, *(len(grams.keys) for grams in orders[:-1])]
        levels = [
            _level(grams, longer, count, train.vocabulary)
            for grams, longer, count in zip(orders, [*orders[1:], None], contexts, strict=True)
        ]
        return Guess(
            _nats(levels, *test.flat(), test.vocabulary),
            parameters=sum(len(level.keys) for level in levels),
            flops=float(8 * self.order * len(tokens)),
            flops_how="8 x order x tokens",
        )


@dataclass(frozen=True, eq=False)
class _Grams:
    """The n-grams of one order: of each a key (context's number x vocabulary + token), sorted, and its count."""

    keys: Ids
    counts: Ids
    numbers: Ids  # at each place of the training tokens, the n-gram that ends there; -1 near the beginning of a run
    first: Ids  # a place where each ends
    initial: NDArray[np.bool_]  # whether each stands at the beginning of a run


@dataclass(frozen=True, eq=False)
class _Level:
    """What is needed to tell with one order.

    Attributes:
        keys: (G,) sorted keys of its n-grams.
        share: (G,) discounted count over that of the context.
        back: (C,) what each context leaves to the lower order; 1 for one that never occurred.
    """

    keys: Ids
    share: Numbers
    back: Numbers


def _count(tokens: Ids, places: Ids, lower: _Grams | None, k: int, vocabulary: int) -> _Grams:
    there = np.flatnonzero(places >= k - 1)
    keys = tokens[there] if lower is None else lower.numbers[there - 1] * vocabulary + tokens[there]
    kinds, first, number, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    numbers = np.full(len(tokens), -1)
    numbers[there] = number
    initial = np.zeros(len(kinds), bool)
    initial[number[places[there] == k - 1]] = True
    return _Grams(kinds, counts, numbers, there[first], initial)


def _level(grams: _Grams, longer: _Grams | None, contexts: int, vocabulary: int) -> _Level:
    counts = grams.counts
    if longer is not None:
        # Each kind of longer n-gram has one token in front of the n-gram that it ends with.
        counts = np.bincount(grams.numbers[longer.first], minlength=len(grams.keys)) + grams.initial
    context = grams.keys // vocabulary
    total = np.bincount(context, counts, contexts)
    kept = (counts - _discounts(counts)[np.minimum(counts, 3)]).clip(min=0.0)
    left = np.bincount(context, kept, contexts)
    back = 1.0 - np.divide(left, total, out=np.zeros(contexts), where=total > 0)
    return _Level(grams.keys, kept / total[context], back)


def _discounts(counts: Ids) -> Numbers:
    """(4,) what is taken from a count of 0, 1, 2, and 3 or more."""
    n = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(float)
    found = np.array([0.0, *USUAL])
    if n[0] and n[1]:
        y = n[0] / (n[0] + 2 * n[1])
        for j in (1, 2, 3):
            if n[j - 1]:
                found[j] = j - (j + 1) * y * n[j] / n[j - 1]
    return found.clip([0.0, LEAST, LEAST, LEAST], [0.0, 1.0, 2.0, 3.0])


def _nats(levels: list[_Level], tokens: Ids, places: Ids, vocabulary: int) -> Numbers:
    """Minus the logarithm of the probability of each token that is not the first of its run."""
    probability = np.full(len(tokens), 1.0 / vocabulary)
    numbers = np.zeros(len(tokens), np.int64)  # of the n-gram that ends there, -1 where it never occurred
    for k, level in enumerate(levels, 1):
        context = numbers if k == 1 else np.where(places >= k - 1, np.roll(numbers, 1), -1)
        keys = context * vocabulary + tokens
        at = np.searchsorted(level.keys, keys).clip(max=max(len(level.keys) - 1, 0))
        found = (context >= 0) & (level.keys[at] == keys)
        numbers = np.where(found, at, -1)
        back = np.where(context >= 0, level.back[context], 1.0)
        probability = np.where(found, level.share[at], 0.0) + back * probability
    return np.asarray(-np.log(probability[places > 0]))
