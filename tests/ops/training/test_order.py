from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.training import order as order_module
from ops.training.order import Order, permutation

COUNTS = st.integers(1, 300)
SIZES = st.integers(1, 50)
SEEDS = st.integers(0, 2**40)


def order(count: int, size: int, seed: int = 0, bucketing: bool = True) -> Order:
    lengths = np.random.default_rng(count).integers(1, 90, size=count)
    return Order(lengths, size, seed, bucketing)


@given(COUNTS, SIZES, SEEDS, st.booleans(), st.integers(0, 3))
def test_each_epoch_has_each_example_once(count: int, size: int, seed: int, bucketing: bool, epoch: int) -> None:
    made = order(count, size, seed, bucketing)
    steps = [epoch * made.steps_per_epoch + number for number in range(made.steps_per_epoch)]
    batches = [made.rows(step) for step in steps]
    assert sorted(np.concatenate(batches).tolist()) == list(range(count))
    assert sorted(len(batch) for batch in batches)[1:] == [size] * (len(batches) - 1)


@given(COUNTS, SIZES, SEEDS, st.booleans(), st.integers(0, 40), st.integers(1, 9))
def test_the_ranks_together_have_the_batch_of_one(
    count: int, size: int, seed: int, bucketing: bool, step: int, world: int
) -> None:
    made = order(count, size, seed, bucketing)
    shares = [made.share(step, rank, world) for rank in range(world)]
    assert sorted(np.concatenate(shares).tolist()) == sorted(made.rows(step).tolist())
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(COUNTS, SIZES, SEEDS, st.lists(st.integers(0, 60), min_size=1, max_size=8))
def test_a_step_does_not_depend_on_what_was_asked_before(count: int, size: int, seed: int, steps: list[int]) -> None:
    asked = order(count, size, seed)
    for step in steps:
        assert asked.rows(step).tolist() == order(count, size, seed).rows(step).tolist()


@given(COUNTS, SIZES, SEEDS, st.booleans(), st.integers(0, 3))
def test_of_very_many_examples_each_epoch_has_each_once(
    count: int, size: int, seed: int, bucketing: bool, epoch: int
) -> None:
    made, plain = order(count, size, seed, bucketing), order(count, size, seed, bucketing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order_module, "MANY", 1)
        steps = range(epoch * made.steps_per_epoch, (epoch + 1) * made.steps_per_epoch)
        batches = [made.rows(step) for step in steps]
        assert sorted(np.concatenate(batches).tolist()) == list(range(count))
        assert sorted(len(batch) for batch in batches)[1:] == [size] * (len(batches) - 1)
        if bucketing and count > size:
            assert plain._drawn[0] == -1  # nothing was drawn whole
            spread = [np.ptp(made._lengths[batch]) for batch in batches]
            assert np.mean(spread) <= np.ptp(made._lengths)


def test_of_very_many_examples_buckets_spare_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_module, "MANY", 1)
    lengths = np.random.default_rng(0).integers(1, 100, size=2000)
    made = Order(lengths, 20, 0, True)
    batches = [lengths[made.rows(step)] for step in range(made.steps_per_epoch)]
    assert sum(len(batch) * batch.max() for batch in batches) < 1.1 * lengths.sum()
    means = [float(batch.mean()) for batch in batches]
    assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 0.25


def test_epochs_and_seeds_differ() -> None:
    made = order(200, 200, bucketing=False)
    first = made.rows(0).tolist()
    assert first != made.rows(1).tolist()
    assert first != order(200, 200, seed=1, bucketing=False).rows(0).tolist()
    assert first != list(range(200))


def test_buckets_spare_padding_and_still_come_in_mixed_order() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, size=2000)

    def padded(bucketing: bool) -> tuple[int, list[float]]:
        made = Order(lengths, 20, 0, bucketing)
        batches = [lengths[made.rows(step)] for step in range(made.steps_per_epoch)]
        return sum(len(batch) * batch.max() for batch in batches), [float(batch.mean()) for batch in batches]

    plain, _ = padded(False)
    packed, means = padded(True)
    assert packed < 1.1 * lengths.sum() < 0.7 * plain
    assert abs(np.corrcoef(np.arange(len(means)), means)[0, 1]) < 0.2


def test_the_permutation_is_fixed_for_ever() -> None:
    """Another result would silently change every trained model."""
    assert permutation(8, "examples", 0, 0).tolist() == [4, 6, 1, 7, 2, 5, 3, 0]


@given(COUNTS)
def test_a_permutation_has_all_numbers(count: int) -> None:
    assert sorted(permutation(count, "x").tolist()) == list(range(count))


def test_all_places_are_equally_likely() -> None:
    first = np.array([permutation(5, seed)[0] for seed in range(2000)])
    counts = np.bincount(first, minlength=5)
    assert ((counts - 400) ** 2 / 400).sum() < 18.5  # chi-squared with 4 degrees of freedom, p = 0.001
