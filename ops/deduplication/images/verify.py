"""Whether two images show the same, by how alike their edges are on thumbnails; crops are laid over first."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.deduplication.images.hashes import SIDE, Thumbs

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Windows = NDArray[np.float32]
"""(N, 3) left, top and side of a part of each image, as shares of the image's side."""

_CHUNK = 512  # images looked at together: bounds memory

_ALIKE_COARSE = 0.88
"""How alike the coarse images of a pair must be to be compared in detail."""
_CLOSE = np.float32(0.008)
"""The first step of a closer look, as a share of the side."""
_MOVES = np.array(
    [
        *((-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (-1, -1, 0), (1, 1, 0), (-1, 1, 0), (1, -1, 0)),
        *((0, 0, -1), (0, 0, 1)),
    ],
    np.float32,
)
"""Steps of left edge, top edge and side that are tried in one round."""


def flipped(thumbs: Thumbs, flips: NDArray[np.int64]) -> Thumbs:
    """Each thumbnail mirrored by the flip of its number in `FLIPS`."""
    found = thumbs.copy()
    for number, way in ((1, np.s_[:, :, ::-1]), (2, np.s_[:, ::-1]), (3, np.s_[:, ::-1, ::-1])):
        mine = flips == number
        found[mine] = thumbs[mine][way]
    return found


def detail(thumbs: Thumbs) -> Floats:
    """(N,) standard deviation of the grey values behind the slope: of an even image or a plain ramp it is about 0."""
    axis = np.linspace(-1, 1, SIDE, dtype=np.float32)
    axis /= np.linalg.norm(axis) * np.float32(np.sqrt(SIDE))
    found = np.empty(len(thumbs), np.float32)
    for start in range(0, len(thumbs), _CHUNK):
        grey = thumbs[start : start + _CHUNK].astype(np.float32)
        grey -= grey.mean(axis=(1, 2), keepdims=True)
        across, down = grey.sum(axis=1) @ axis, grey.sum(axis=2) @ axis
        left = (grey**2).sum(axis=(1, 2)) - across**2 - down**2
        found[start : start + _CHUNK] = np.sqrt(np.maximum(left, 0) / SIDE**2)
    return found


def likeness(left: NDArray[Any], right: NDArray[Any]) -> Floats:
    """(N,) correlation of the slopes of the grey values, from -1 to 1: brightness and contrast do not matter."""
    found = np.empty(len(left), np.float32)
    for start in range(0, len(left), _CHUNK):
        first, second = (_directions(images[start : start + _CHUNK]) for images in (left, right))
        found[start : start + _CHUNK] = np.einsum("ij,ij->i", first, second)
    return found


def slopes(images: NDArray[Any]) -> Floats:
    """(N, 2, S - 2, S - 2) central differences, across and down."""
    grey = images.astype(np.float32)
    across, down = grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2], grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1]
    return np.stack([across, down], axis=1)


def _directions(images: NDArray[Any]) -> Floats:
    """(N, 2 (S - 2)²) the slopes as vectors of length one (or zero)."""
    found = slopes(images).reshape(len(images), -1)
    return _floats(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.float32(1e-6)))


def coarse(thumbs: NDArray[Any]) -> Floats:
    """Means of 2 x 2 pixels."""
    grey = thumbs.astype(np.float32)
    return _floats((grey[:, ::2, ::2] + grey[:, 1::2, ::2] + grey[:, ::2, 1::2] + grey[:, 1::2, 1::2]) / 4)


def windowed(images: NDArray[Any], windows: Windows, side: int) -> Floats:
    """The part of each square image that its window names, brought to that side by linear interpolation."""
    size = images.shape[1]
    left, top, share = (windows[:, k : k + 1] for k in range(3))
    steps = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
    across, down = _mixing(left + share * steps, side), _mixing(top + share * steps, side)
    return _floats(np.matmul(np.matmul(down, images.astype(np.float32)), across.transpose(0, 2, 1)))


def _mixing(shares: Floats, side: int) -> Floats:
    """(N, side, size) what each pixel of an axis adds to the values at the (N, size) places, or to means of them."""
    size = shares.shape[1]
    places = np.clip(shares * size - 0.5, 0, size - 1)[..., None]
    mixing = np.maximum(0, 1 - np.abs(places - np.arange(size, dtype=np.float32))).astype(np.float32)
    return _floats(mixing.reshape(len(mixing), side, size // side, size).mean(axis=2))


def softened(images: NDArray[Any]) -> Floats:
    """Each pixel with its neighbours, by the weights 1, 2, 1 in both directions; one pixel less at each edge."""
    grey = images.astype(np.float32)
    rows = grey[:, :-2] + 2 * grey[:, 1:-1] + grey[:, 2:]
    return _floats((rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 16)


def alike_as_wholes(images: NDArray[Any], left: Integers, right: Integers, flips: Integers) -> Floats:
    """How alike the softened images of each pair are, the right one mirrored by the flip of its number."""
    found = np.empty(len(left), np.float32)
    for start in range(0, len(left), _CHUNK):
        some = slice(start, start + _CHUNK)
        other = flipped(images[right[some]], flips[some])
        found[some] = likeness(softened(images[left[some]]), softened(other))
    return found


def laid_over(images: NDArray[Any], whole: Integers, part: Integers, windows: Windows) -> tuple[Floats, Windows]:
    """How alike each part is to the best window of its whole near the one given, and that window.

    The window is moved and scaled in steps that halve from round to round, first on images of 16 x 16 pixels, then of
    32 x 32. A pair that is not promising after a round is given up, with what it has reached.

    Args:
        images: (N, 64, 64) grey values.
        whole: (P,) number of each pair's whole.
        part: (P,) number of its part.
        windows: (P, 3) where in the whole to begin.
    """
    alike, best = np.empty(len(whole), np.float32), windows.astype(np.float32).copy()
    for start in range(0, len(whole), _CHUNK):
        some = slice(start, start + _CHUNK)
        alike[some], best[some] = _matched(images[whole[some]], images[part[some]], best[some])
    return alike, best


def laid_closely(images: NDArray[Any], whole: Integers, part: Integers, windows: Windows) -> tuple[Floats, Windows]:
    """The same for windows that are nearly right, on softened images of 64 x 64 pixels from the first step on."""
    alike, best = np.empty(len(whole), np.float32), windows.astype(np.float32).copy()
    for start in range(0, len(whole), _CHUNK):
        some = slice(start, start + _CHUNK)
        near, of = images[whole[some]].astype(np.float32), softened(images[part[some]])
        found, window, step = likeness(softened(windowed(near, best[some], near.shape[1])), of), best[some], _CLOSE
        for _ in range(5):
            found, window = _round(near, of, window, found, step, soft=True)
            step /= np.float32(1.6)
        alike[some], best[some] = found, window
    return alike, best


def _matched(whole: NDArray[Any], part: NDArray[Any], best: Windows) -> tuple[Floats, Windows]:
    seen, of = coarse(whole), coarse(coarse(part))
    alike = likeness(windowed(seen, best, of.shape[1]), of)
    step = np.float32(0.04)
    for promising in (0.5, 0.65, 0.8, 0.85):
        there = np.flatnonzero(alike >= promising)
        alike[there], best[there] = _round(seen[there], of[there], best[there], alike[there], step)
        step /= 2
    there = np.flatnonzero(alike >= _ALIKE_COARSE)
    near, of = whole[there].astype(np.float32), coarse(part[there])
    found, window = likeness(windowed(near, best[there], of.shape[1]), of), best[there]
    for _ in range(3):
        found, window = _round(near, of, window, found, step * 2)
        step /= 2
    best[there] = window
    alike[there] = likeness(softened(windowed(near, window, near.shape[1])), softened(part[there]))
    return alike, best


def _round(
    whole: Floats,
    part: Floats,
    start: Windows,
    alike: Floats,
    step: np.float32,
    soft: bool = False,
) -> tuple[Floats, Windows]:
    """The best of all moves from where each window is; `soft` where the parts are softened, as the windows are then."""
    alike, best = alike.copy(), start.copy()
    for move in _MOVES:
        tried = start + step * move
        # A window is scaled about its middle and stays within the image.
        tried[:, :2] -= step * move[2:] / 2
        tried[:, 2] = np.clip(tried[:, 2], 0.5, 1)
        tried[:, :2] = np.clip(tried[:, :2], 0, 1 - tried[:, 2:])
        seen = windowed(whole, tried, part.shape[1] + 2 * soft)
        now = likeness(softened(seen) if soft else seen, part)
        better = now > alike
        best[better], alike[better] = tried[better], now[better]
    return alike, best


def _floats(values: NDArray[Any]) -> Floats:
    return np.asarray(values, dtype=np.float32)
