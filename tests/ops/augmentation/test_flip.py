from typing import Any

import numpy as np

from ops.augmentation.flip import Flip


def test_directions_against_numpy(changed: Any, noise: Any) -> None:
    assert (changed(Flip(direction="horizontal", probability=1.0), noise) == noise[:, :, ::-1]).all()
    assert (changed(Flip(direction="vertical", probability=1.0), noise) == noise[:, ::-1]).all()
    assert (changed(Flip(direction="both", probability=1.0), noise) == noise[:, ::-1, ::-1]).all()


def test_probability(changed: Any, noise: Any) -> None:
    assert (changed(Flip(probability=0.0), noise) == noise).all()
    flipped = (changed(Flip(probability=0.5), noise) != noise).any(axis=(1, 2, 3))
    assert 15 < flipped.sum() < 45


def test_the_two_directions_are_drawn_apart(changed: Any, noise: Any) -> None:
    results = changed(Flip(direction="both", probability=0.5), noise)
    seen = set()
    for before, after in zip(noise, results, strict=True):
        ways = {"none": before, "left": before[:, ::-1], "top": before[::-1], "both": before[::-1, ::-1]}
        seen.add(next(name for name, image in ways.items() if np.array_equal(image, after)))
    assert seen == {"none", "left", "top", "both"}
