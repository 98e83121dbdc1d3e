"""Successive halving (Jamieson and Talwalkar, 2016): many short trainings, and longer ones of those that did best."""

from __future__ import annotations


def survivors(first: int, factor: float, least: int) -> list[int]:
    """How many are tried in each round, from all down to `least`: each round goes on with one in `factor` of them."""
    counts = [first]
    while counts[-1] > least:
        counts.append(max(least, -int(-counts[-1] // factor)))
    return counts


def shares(factor: float, first: float) -> list[float]:
    """Lengths of the trainings of each round as shares of a whole one, each `factor` times the last, up to 1.

    Args:
        factor: how much longer the trainings of a round are than those of the round before.
        first: the share that the first round has at least.
    """
    found = [1.0]
    while found[0] / factor >= first * (1 - 1e-9):
        found.insert(0, found[0] / factor)
    return found
