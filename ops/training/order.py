"""The order of examples: a pure function of seed, epoch and step, the same for any number of processes.

Nothing is drawn from a running generator, so a resumed run needs no replay: the batch of any step is computed as such.
Of few examples the whole epoch is drawn at once; of many only what the step needs, so that the first batch of a resumed
run does not wait for a permutation of all. Only the raw words of Philox are used (Salmon et al., 2011), whose stream
NumPy keeps between versions; the methods of its generators may change.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from ops.training.shuffle import Shuffle

Rows = NDArray[np.int64]

WINDOW = 16
"""Batches among which texts are sorted by length: enough to fill batches evenly, few enough to stay mixed."""

MANY = 1 << 22
"""Examples from which on an epoch is no longer drawn at once, which takes half a second for so many."""


class Order:
    """Which examples each step sees."""

    def __init__(self, lengths: Rows, batch_size: int, seed: int, bucketing: bool = False) -> None:
        """Nothing is drawn yet.

        Args:
            lengths: (N,) length of each training example.
            batch_size: examples in the global batch; the last of an epoch may have fewer.
            seed: the run's seed.
            bucketing: whether examples of like length share a batch.
        """
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._bucketing = bucketing
        self._drawn: tuple[int, list[Rows]] = (-1, [])

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the examples."""
        return -(-len(self._lengths) // self._batch_size)

    def rows(self, step: int) -> Rows:
        """Numbers of the examples in the global batch of the step, which counts from 0 over all epochs."""
        epoch, number = divmod(step, self.steps_per_epoch)
        if len(self._lengths) >= MANY:
            return self._batch(epoch, number)
        if self._drawn[0] != epoch:
            self._drawn = (epoch, self._batches(epoch))
        return self._drawn[1][number]

    def share(self, step: int, rank: int, world: int) -> Rows:
        """The part of the global batch that one of `world` processes has: every `world`-th, so lengths are alike."""
        return self.rows(step)[rank::world]

    def _batches(self, epoch: int) -> list[Rows]:
        """The global batches of an epoch, in order; together each example once."""
        drawn = permutation(len(self._lengths), "examples", self._seed, epoch)
        if not self._bucketing:
            return self._cut(drawn)
        windows = np.arange(len(drawn)) // (self._batch_size * WINDOW)
        batches = self._cut(drawn[np.lexsort((self._lengths[drawn], windows))])
        # Within a window the batches go from short to long: they are shuffled once more.
        return [batches[number] for number in permutation(len(batches), "batches", self._seed, epoch)]

    def _batch(self, epoch: int, number: int) -> Rows:
        """One global batch of an epoch of very many examples, without the others."""
        count, size = len(self._lengths), self._batch_size
        examples = Shuffle(count, "examples", self._seed, epoch)
        if not self._bucketing:
            return examples(np.arange(number * size, min(number * size + size, count)))
        place = int(Shuffle(self.steps_per_epoch, "batches", self._seed, epoch)(np.array([number]))[0])
        window, inside = divmod(place, WINDOW)
        start = window * WINDOW * size
        rows = examples(np.arange(start, min(start + WINDOW * size, count)))
        ordered = rows[np.argsort(self._lengths[rows], kind="stable")]
        return ordered[inside * size : inside * size + size]

    def _cut(self, rows: Rows) -> list[Rows]:
        return [rows[start : start + self._batch_size] for start in range(0, len(rows), self._batch_size)]


def permutation(count: int, *key: object) -> Rows:
    """A permutation of 0 ... count - 1 that depends on nothing but `count` and `key`."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    words = np.random.Philox(key=int.from_bytes(digest[:16], "little")).random_raw(count)
    return np.argsort(words, kind="stable")
