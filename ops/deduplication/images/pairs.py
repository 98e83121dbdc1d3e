"""Pairs of images that show the same: proposed by hashes of the wholes and of parts of them, decided on thumbnails."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ops.deduplication.images.agreement import agreement
from ops.deduplication.images.hashes import FLIPS, coefficients, dhash, hashes_of, mirrored, phash
from ops.deduplication.images.search import Index
from ops.deduplication.images.verify import Windows, alike_as_wholes, coarse, detail, flipped, laid_closely, laid_over

Thumbs = NDArray[np.uint8]
Integers = NDArray[np.int64]

WHOLE = 0.975
"""A window with a larger side than this is the whole image."""

WINDOWS = tuple(
    (left / (places - 1) * (1 - share), top / (places - 1) * (1 - share), share)
    for share, places in ((0.95, 2), (0.92, 3), (0.88, 4), (0.84, 4), (0.8, 5))
    for left in range(places)
    for top in range(places)
)
"""Parts of an image that are hashed as if they were images: left, top and side as shares of the image's side.

Any part is a few hundredths of the side away from one of them: the smaller they are, the more places they have.
"""

NEAR_ALIKE, NEAR_AGREEMENT = np.float32(0.05), np.float32(0.25)
"""By how much a part may miss the bounds to be laid over once more."""

_CROP_RADIUS = 8  # of pHashes, which have 32 ones each: they differ in an even number of bits


class Found(NamedTuple):
    """Pairs, each with the smaller number first but for crops, whose whole comes first.

    Attributes:
        left: number of the one image.
        right: number of the other.
        alike: correlation of their slopes.
        how: 0 the same, 1 to 3 mirrored as in `FLIPS`, 4 a crop.
    """

    left: Integers
    right: Integers
    alike: NDArray[np.float32]
    how: Integers


CROP = len(FLIPS)
_Pairs = tuple[Integers, Integers, NDArray[Any]]


class Bounds(NamedTuple):
    """What makes images the same.

    Attributes:
        radius: how many of 64 bits of a hash may differ for a pair to be proposed.
        threshold: how alike the thumbnails must be on the whole.
        agreement: how alike they must be in every part.
        low_detail: images with less detail (see `detail`) are compared with none.
    """

    radius: int
    threshold: float
    agreement: float
    low_detail: float


def pairs(thumbs: Thumbs, bounds: Bounds, *, flips: bool, crops: bool) -> Found:
    """All pairs that are found.

    Args:
        thumbs: (N, 64, 64) grey values.
        bounds: what makes them the same.
        flips: whether mirrored images count.
        crops: whether parts of images count.
    """
    small = coarse(thumbs)
    told = np.flatnonzero(detail(small) >= bounds.low_detail)
    thumbs, small = thumbs[told], small[told]
    left, right, how = _mirrored(small, bounds.radius, flips)
    alike = alike_as_wholes(thumbs, left, right, how)
    same = np.flatnonzero(alike >= bounds.threshold)
    whole_windows = np.tile(np.array([0, 0, 1], np.float32), (len(same), 1))
    same = same[agreement(thumbs, left[same], right[same], how[same], whole_windows) >= bounds.agreement]
    found = [(left[same], right[same], alike[same], how[same])]
    if crops:
        whole, part, windows = _windows(small)
        as_whole = np.isin(
            _key(np.minimum(whole, part), np.maximum(whole, part), len(told)), _key(*found[0][:2], len(told))
        )
        whole, part, windows = whole[~as_whole], part[~as_whole], windows[~as_whole]
        whole, part, alike = _parts(thumbs, whole, part, windows, bounds)
        found.append((whole, part, alike, np.full(len(whole), CROP)))
    lefts, rights, alikes, hows = (np.concatenate(values) for values in zip(*found, strict=True))
    return Found(told[lefts], told[rights], alikes, hows)


def _parts(
    thumbs: Thumbs, whole: Integers, part: Integers, windows: Windows, bounds: Bounds
) -> tuple[Integers, Integers, NDArray[np.float32]]:
    """Of proposed pairs (whole, part) those that are alike enough on the whole and in every part, and how alike.

    A window that is a hundredth of the side beside where it belongs looks like another shot of the same. So what just
    misses a bound is laid over once more, in all the detail that there is: copies gain by that, and other shots do not.
    """

    def agreeing(some: Integers) -> NDArray[np.float32]:
        return agreement(thumbs, whole[some], part[some], np.zeros(len(some), np.int64), windows[some])

    alike, windows = laid_over(thumbs, whole, part, windows)
    near = np.flatnonzero(alike >= bounds.threshold - NEAR_ALIKE)
    least = np.full(len(whole), -1, np.float32)
    least[near] = agreeing(near)
    short = (alike[near] < bounds.threshold) | (least[near] < bounds.agreement)
    again = near[short & (least[near] >= bounds.agreement - NEAR_AGREEMENT)]
    alike[again], windows[again] = laid_closely(thumbs, whole[again], part[again], windows[again])
    least[again] = np.maximum(least[again], agreeing(again))
    kept = np.flatnonzero((alike >= bounds.threshold) & (least >= bounds.agreement) & (windows[:, 2] <= WHOLE))
    return whole[kept], part[kept], alike[kept]


def _key(left: Integers, right: Integers, count: int) -> Integers:
    return left * max(1, count) + right


def _mirrored(small: NDArray[np.float32], radius: int, flips: bool) -> tuple[Integers, Integers, Integers]:
    """Pairs (left < right) proposed by pHash or dHash, each with the flip whose hashes are nearest."""
    values = coefficients(small)
    indices = (Index(hashes_of(values)), Index(dhash(small)))
    found: list[_Pairs] = []
    for number, flip in enumerate(FLIPS if flips else FLIPS[:1]):
        numbers = np.full(len(small), number)
        queries = (hashes_of(mirrored(values, flip)), dhash(flipped(small, numbers)))
        for index, asked in zip(indices, queries, strict=True):
            right, left = index.within(asked, radius)
            kept = left < right
            found.append((left[kept], right[kept], np.full(int(kept.sum()), number)))
    left, right, how = (np.concatenate(part) for part in zip(*found, strict=True))
    # Of several flips the one that fits best: images may be near their own mirror image.
    alike = alike_as_wholes(coarse(small), left, right, how)
    order = np.lexsort((how, -alike, _key(left, right, len(small))))
    _, first = np.unique(_key(left, right, len(small))[order], return_index=True)
    chosen = order[first]
    return left[chosen], right[chosen], how[chosen]


def _windows(small: NDArray[np.float32]) -> tuple[Integers, Integers, NDArray[np.float32]]:
    """Pairs (whole, part) proposed by the hash of a window of the whole, each with its nearest window."""
    index = Index(hashes_of(coefficients(small)))
    found: list[_Pairs] = []
    for number, window in enumerate(WINDOWS):
        asked = phash(small, window)
        whole, part = index.within(asked, _CROP_RADIUS)
        other = whole != part
        whole, part = whole[other], part[other]
        bits = np.bitwise_count(asked[whole] ^ index.hashes[part])
        found.append((whole, part, np.stack([bits.astype(np.int64), np.full(len(whole), number)], axis=1)))
    whole, part, how = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.lexsort((how[:, 1], how[:, 0], _key(whole, part, len(small))))
    _, first = np.unique(_key(whole, part, len(small))[order], return_index=True)
    chosen = order[first]
    return whole[chosen], part[chosen], np.array(WINDOWS, np.float32)[how[chosen, 1]]
