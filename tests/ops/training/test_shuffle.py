from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ops.training.shuffle import Shuffle


@given(st.integers(1, 3000), st.integers(0, 2**40))
def test_each_number_comes_once(count: int, seed: int) -> None:
    assert sorted(Shuffle(count, seed)(np.arange(count)).tolist()) == list(range(count))


@given(st.integers(1, 3000), st.lists(st.integers(0, 2999), min_size=1))
def test_a_part_is_that_part_of_the_whole(count: int, places: list[int]) -> None:
    chosen = np.array(places) % count
    shuffle = Shuffle(count, "x", 1)
    assert shuffle(chosen).tolist() == shuffle(np.arange(count))[chosen].tolist()


def test_it_is_fixed_for_ever() -> None:
    """Another result would silently change every model trained on very many examples."""
    assert Shuffle(8, "examples", 0, 0)(np.arange(8)).tolist() == FIXED


FIXED = [3, 5, 4, 0, 1, 6, 2, 7]


def test_all_places_are_equally_likely_and_neighbours_part() -> None:
    found = np.array([Shuffle(5, seed)(np.arange(5)) for seed in range(2000)])
    for place in range(5):
        counts = np.bincount(found[:, place], minlength=5)
        assert ((counts - 400) ** 2 / 400).sum() < 18.5  # chi-squared with 4 degrees of freedom, p = 0.001
    large = Shuffle(100_000_000, 7)(np.arange(50_000))
    assert large.max() < 100_000_000 and len(np.unique(large)) == 50_000
    cells = np.bincount(large // 1_000_000, minlength=100)
    assert ((cells - 500) ** 2 / 500).sum() < 149  # 99 degrees of freedom, p = 0.001
    assert abs(np.corrcoef(large[:-1], large[1:])[0, 1]) < 0.02
