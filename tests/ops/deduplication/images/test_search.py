import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.deduplication.images.search import Index


def naive(queries: list[int], hashes: list[int], radius: int) -> list[tuple[int, int]]:
    return [(q, h) for q, a in enumerate(queries) for h, b in enumerate(hashes) if (a ^ b).bit_count() <= radius]


def found(queries: list[int], hashes: list[int], radius: int) -> list[tuple[int, int]]:
    left, right = Index(np.array(hashes, np.uint64)).within(np.array(queries, np.uint64), radius)
    return list(zip(left.tolist(), right.tolist(), strict=True))


@pytest.mark.parametrize("radius", [0, 3, 4, 7, 8, 10, 11])
def test_all_pairs_against_a_double_loop(radius: int) -> None:
    rng = np.random.default_rng(radius)
    hashes = [int(value) for value in rng.integers(0, 2**64, 120, dtype=np.uint64)]
    for _ in range(120):  # some near others: the bits that differ spread and bunched
        value = hashes[int(rng.integers(120))]
        for bit in rng.choice(64, int(rng.integers(0, 14)), replace=False):
            value ^= 1 << int(bit)
        hashes.append(value)
    assert found(hashes, hashes, radius) == naive(hashes, hashes, radius)


@given(
    st.lists(st.integers(0, 2**64 - 1), max_size=8), st.lists(st.integers(0, 2**64 - 1), max_size=8), st.integers(0, 9)
)
def test_any_hashes(queries: list[int], hashes: list[int], radius: int) -> None:
    assert found(queries, hashes, radius) == naive(queries, hashes, radius)


def test_many_equal_hashes_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    import ops.deduplication.images.search as search

    monkeypatch.setattr(search, "_AT_ONCE", 64)
    hashes = [7] * 30 + [2**63] * 5
    assert found(hashes, hashes, 3) == naive(hashes, hashes, 3)
