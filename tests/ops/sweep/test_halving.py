"""Rounds of successive halving, against those counted by hand."""

from __future__ import annotations

import pytest

from ops.sweep.config import Halving
from ops.sweep.halving import shares, survivors


@pytest.mark.parametrize(
    ("first", "factor", "least", "counts"),
    [(9, 3, 1, [9, 3, 1]), (20, 3, 1, [20, 7, 3, 1]), (5, 2, 2, [5, 3, 2]), (2, 2, 2, [2]), (1, 4, 1, [1])],
)
def test_each_round_goes_on_with_one_in_so_many(first: int, factor: int, least: int, counts: list[int]) -> None:
    assert survivors(first, factor, least) == counts


@pytest.mark.parametrize(
    ("factor", "first", "lengths"),
    [
        (3, 0.1, [1 / 9, 1 / 3, 1]),
        (2, 0.25, [0.25, 0.5, 1]),
        (2, 0.24, [0.25, 0.5, 1]),
        (4, 0.5, [1]),
        (3, 1 / 27, None),
    ],
)
def test_trainings_grow_to_a_whole_one(factor: int, first: float, lengths: list[float] | None) -> None:
    assert shares(factor, first) == pytest.approx(lengths or [1 / 27, 1 / 9, 1 / 3, 1])


@pytest.mark.parametrize("factor", range(2, 11))
@pytest.mark.parametrize("share", [0.1, 0.25, 1 / 3, 0.34, 0.5, 0.51, 0.9])
def test_halving_that_would_halve_nothing_is_refused(factor: int, share: float) -> None:
    if len(shares(factor, share)) > 1:
        assert Halving(factor=factor, first=share).first == share
    else:
        with pytest.raises(ValueError, match="nothing would be halved; at most"):
            Halving(factor=factor, first=share)
