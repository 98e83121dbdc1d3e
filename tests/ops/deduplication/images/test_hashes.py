from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.fftpack import dct

from ops.deduplication.images.hashes import FLIPS, coefficients, dhash, hashes_of, mirrored, phash

RNG = np.random.default_rng(0)
NOISE = RNG.integers(0, 256, (40, 32, 32), dtype=np.uint8)


def naive_phash(image: np.ndarray[Any, Any]) -> int:
    """As imagehash does it: the transform of the whole image, its lowest 8 x 8, their median."""
    low = dct(dct(image.astype(float), axis=0), axis=1)[:8, :8]
    bits = (low > np.median(low)).ravel()
    return int("".join("1" if bit else "0" for bit in bits), 2)


def test_phash_against_a_whole_transform() -> None:
    differing = sum(
        (naive_phash(image) ^ int(found)).bit_count() for image, found in zip(NOISE, phash(NOISE), strict=True)
    )
    assert differing <= 1  # float32: a coefficient that is the median to seven digits may fall to either side
    assert phash(NOISE[:0]).shape == (0,)


def test_batches_of_any_size_hash_alike() -> None:
    many = RNG.integers(0, 256, (2500, 32, 32), dtype=np.uint8)
    assert (
        phash(many)[[0, 1023, 1024, 2499]] == np.concatenate([phash(many[k : k + 1]) for k in (0, 1023, 1024, 2499)])
    ).all()


@pytest.mark.parametrize(("number", "way"), [(1, np.s_[:, :, ::-1]), (2, np.s_[:, ::-1]), (3, np.s_[:, ::-1, ::-1])])
def test_mirrored_coefficients_are_those_of_the_mirrored_image(number: int, way: Any) -> None:
    found = mirrored(coefficients(NOISE), FLIPS[number])
    assert np.allclose(found, coefficients(NOISE[way]), atol=0.5)
    assert np.bitwise_count(hashes_of(found) ^ phash(NOISE[way])).sum() <= 4


def test_a_window_is_the_part_as_an_image() -> None:
    smooth = np.kron(RNG.integers(0, 256, (8, 8)), np.ones((8, 8)))  # 64 x 64
    whole = smooth.reshape(1, 32, 2, 32, 2).mean(axis=(2, 4))
    quarter = smooth[None, 32:, :32]  # its lower left, at full size
    found = phash(whole, (0.0, 0.5, 0.5))
    assert np.bitwise_count(found ^ phash(quarter))[0] <= 10
    assert np.bitwise_count(found ^ phash(whole))[0] > 15


def test_dhash_against_a_loop() -> None:
    for image, found in zip(NOISE, dhash(NOISE), strict=True):
        bits = ""
        edges = [0, 4, 7, 11, 14, 18, 21, 25, 28, 32]
        for row in range(8):
            means = [image[4 * row : 4 * row + 4, a:b].mean() for a, b in pairwise(edges)]
            bits += "".join("1" if right > left else "0" for left, right in pairwise(means))
        assert int(bits, 2) == int(found)
