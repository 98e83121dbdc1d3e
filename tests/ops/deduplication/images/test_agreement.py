import itertools
from typing import Any

import numpy as np
import pytest

from ops.deduplication.images.agreement import PARTS, agreement
from ops.deduplication.images.verify import alike_as_wholes, laid_over, softened, windowed
from tests.ops.deduplication.pictures import changed, thumbnail, weave

WHOLE = np.array([[0, 0, 1]], np.float32)
ONE, OTHER = np.array([0]), np.array([1])


def agreed(first: Any, second: Any, flip: int = 0) -> float:
    return float(agreement(np.stack([first, second]), ONE, OTHER, np.array([flip]), WHOLE)[0])


def naive(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> float:
    """The least correlation of `np.gradient`, part by part; for images that are nowhere clipped."""
    slopes = [np.stack(np.gradient(softened(each[None])[0].astype(float)))[:, 1:-1, 1:-1] for each in (first, second)]
    edges = np.round(np.linspace(0, slopes[0].shape[1], PARTS + 1)).astype(int)
    parts = [
        [each[:, top:bottom, left:right].ravel() for each in slopes]
        for top, bottom in itertools.pairwise(edges)
        for left, right in itertools.pairwise(edges)
    ]
    sizes = [float(np.linalg.norm(a) * np.linalg.norm(b)) for a, b in parts]
    told = [size >= 0.25 * float(np.mean(sizes)) for size in sizes]
    return min(float(a @ b) / size for (a, b), size, tell in zip(parts, sizes, told, strict=True) if tell)


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_least_correlation_of_any_part(seed: int) -> None:
    first = thumbnail(weave(seed))
    for second in (thumbnail(changed(weave(seed))), thumbnail(weave(seed + 10)), first):
        assert agreed(first, second) == pytest.approx(naive(first, second), abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_one_part_that_differs_is_seen_where_the_whole_is_alike(seed: int) -> None:
    first, second = thumbnail(weave(seed)), thumbnail(changed(weave(seed)))
    whole = alike_as_wholes(np.stack([first, second]), ONE, OTHER, np.array([0]))
    assert whole[0] > 0.92
    assert agreed(first, second) < 0.7
    assert agreed(first, first // 2 + 40) > 0.99


def test_the_second_image_is_mirrored_and_the_first_one_cut() -> None:
    first = thumbnail(weave(1))
    assert agreed(first, first[:, ::-1], flip=1) == pytest.approx(1)
    assert agreed(first, first[::-1], flip=1) < 0.5
    window = np.array([[0.1, 0.05, 0.85]], np.float32)
    part = windowed(first[None], window, 64)[0]
    images = np.stack([first.astype(np.float32), part])
    assert agreement(images, ONE, OTHER, np.array([0]), window)[0] == pytest.approx(1, abs=1e-4)
    assert agreement(images, ONE, OTHER, np.array([0]), WHOLE)[0] < 0.5


def test_light_that_clips_is_no_difference_but_what_stands_on_white_is() -> None:
    first = thumbnail(weave(2)).astype(np.float32)
    bright = np.minimum(first * 1.3, 255).round()
    assert (bright == 255).mean() > 0.02
    assert agreed(first, bright) > 0.9
    page = np.full((64, 64), 255.0)
    page[4:60:6, 4:60] = 0
    written = page.copy()
    written[27:31, 27:31] = 0
    assert agreed(page, page) == pytest.approx(1)
    assert agreed(page, written) < 0.9


def test_of_parts_without_detail_nothing_is_asked() -> None:
    rng = np.random.default_rng(0)
    image = np.full((64, 64), 128.0)
    image[20:44, 20:44] = thumbnail(weave(3))[20:44, 20:44]
    noisy = image + rng.normal(0, 0.5, image.shape)
    assert agreed(image, noisy) > 0.95
    assert agreed(np.full((64, 64), 9.0), np.full((64, 64), 9.0)) == 1  # nothing tells them apart
    none = np.zeros(0, np.int64)
    assert len(agreement(np.stack([image, noisy]), none, none, none, np.zeros((0, 3), np.float32))) == 0


def test_a_part_that_is_laid_over_keeps_its_difference() -> None:
    first = weave(5)
    cut = changed(first).crop((8, 5, 110, 90))
    images = np.stack([thumbnail(first), thumbnail(cut)])
    alike, window = laid_over(images, ONE, OTHER, np.array([[0.07, 0.05, 0.85]], np.float32))
    assert alike[0] > 0.9
    assert agreement(images, ONE, OTHER, np.array([0]), window)[0] < 0.7
