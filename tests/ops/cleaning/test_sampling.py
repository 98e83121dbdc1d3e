import numpy as np

from ops.cleaning.sampling import content_hashes, sampled

ROWS = np.random.default_rng(0).normal(size=(5000, 3))


def test_the_order_of_rows_changes_nothing() -> None:
    shuffled = np.random.default_rng(1).permutation(ROWS)
    assert (sampled(ROWS, 100) == sampled(shuffled, 100)).all()
    assert not (sampled(ROWS, 100) == sampled(ROWS, 100, seed=1)).all()
    assert len(sampled(ROWS, 10_000)) == 5000


def test_the_sample_is_like_the_whole() -> None:
    part = sampled(ROWS, 1000)
    assert np.abs(part.mean(axis=0)).max() < 0.12 and np.abs(part.std(axis=0) - 1).max() < 0.08


def test_hashes_are_those_of_splitmix64() -> None:
    def mixed(state: int) -> int:
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB % 2**64
        return state ^ (state >> 31)

    # The reference generator, seeded with 0, begins with this number.
    assert mixed(0) == 0xE220A8397B1DCDAF
    rows = np.array([[0.0, 1.5], [-0.0, 1.5], [np.nan, 2.0]])
    bits = [[int(b) for b in row] for row in np.where(np.isnan(rows), np.nan, rows + 0.0).view(np.uint64)]
    assert content_hashes(rows).tolist() == [mixed(mixed(a) ^ b) for a, b in bits]
    assert content_hashes(rows)[0] == content_hashes(rows)[1]
