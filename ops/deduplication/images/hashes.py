"""Perceptual hashes of many small grey images at once: matrix products instead of a transform for each image."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Thumbs = NDArray[Any]
"""(N, SIDE, SIDE) grey values."""

SIDE = 32
_FREQUENCIES = 8
_CHUNK = 1024  # images in float32 at once: stays in the cache of a core

FLIPS = ("", "left_right", "top_bottom", "both")
"""Names of the ways to mirror an image; the first leaves it as it is."""


def _cosines(samples: int = SIDE) -> NDArray[np.float64]:
    """(8, samples) the lowest rows of the cosine transform (DCT-II, without scale)."""
    k, n = np.arange(_FREQUENCIES)[:, None], np.arange(samples)[None, :]
    return 2.0 * np.cos(np.pi * k * (2 * n + 1) / (2 * samples))


@cache
def _window(start: float, share: float) -> NDArray[np.float32]:
    """(8, SIDE) the cosine transform of a part of an axis, brought to SIDE samples by linear interpolation."""
    places = np.clip((start + share * (np.arange(SIDE) + 0.5) / SIDE) * SIDE - 0.5, 0, SIDE - 1)
    below = np.minimum(places.astype(int), SIDE - 2)
    rest = places - below
    mixing = np.zeros((SIDE, SIDE))
    mixing[np.arange(SIDE), below] = 1 - rest
    mixing[np.arange(SIDE), below + 1] += rest
    return np.asarray(_cosines() @ mixing, dtype=np.float32)


def coefficients(thumbs: Thumbs, window: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> NDArray[np.float32]:
    """(N, 8, 8) lowest coefficients of the two-dimensional cosine transform.

    Args:
        thumbs: the images.
        window: left and top of the part that is looked at, and its side, as shares of the image's side.
    """
    left, top, share = window
    rows, columns = _window(top, share), np.ascontiguousarray(_window(left, share).T)
    found = np.empty((len(thumbs), _FREQUENCIES, _FREQUENCIES), np.float32)
    for start in range(0, len(thumbs), _CHUNK):
        part = np.ascontiguousarray(thumbs[start : start + _CHUNK], dtype=np.float32)
        across = part.reshape(-1, SIDE) @ columns
        found[start : start + _CHUNK] = np.matmul(rows, across.reshape(-1, SIDE, _FREQUENCIES))
    return found


def mirrored(values: NDArray[np.float32], flip: str) -> NDArray[np.float32]:
    """Coefficients of the mirrored images: waves that are odd about the middle change their sign."""
    odd = np.where(np.arange(_FREQUENCIES) % 2, np.float32(-1), np.float32(1))
    across = odd if flip in ("left_right", "both") else np.abs(odd)
    down = odd if flip in ("top_bottom", "both") else np.abs(odd)
    result: NDArray[np.float32] = values * (down[:, None] * across)
    return result


def hashes_of(values: NDArray[np.float32]) -> Hashes:
    """64 bits: which coefficients are above their median (pHash, Zauner 2010; the bits of the package imagehash)."""
    flat = values.reshape(-1, _FREQUENCIES * _FREQUENCIES)
    ordered = np.sort(flat, axis=1)
    median = (ordered[:, 31:32] + ordered[:, 32:33]) / 2
    return _packed(flat > median)


def phash(thumbs: Thumbs, window: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> Hashes:
    """pHash of images of 32 x 32 grey values, or of a part of each; see `coefficients`."""
    found = np.empty(len(thumbs), np.uint64)
    for start in range(0, len(thumbs), _CHUNK):
        found[start : start + _CHUNK] = hashes_of(coefficients(thumbs[start : start + _CHUNK], window))
    return found


def dhash(thumbs: Thumbs) -> Hashes:
    """64 bits: where the image gets brighter from left to right (dHash, Krawetz 2013), in means of 9 x 8 areas."""
    rows = thumbs.reshape(len(thumbs), 8, 4, SIDE).sum(axis=2, dtype=np.int32)
    edges = np.round(np.linspace(0, SIDE, 10)).astype(int)
    totals = np.concatenate([np.zeros((*rows.shape[:2], 1), np.int64), rows.cumsum(axis=2)], axis=2)[..., edges]
    means = np.diff(totals, axis=2) / np.diff(edges)
    return _packed((means[..., 1:] > means[..., :-1]).reshape(len(thumbs), 64))


def _packed(bits: NDArray[np.bool_]) -> Hashes:
    """The first bit is the highest."""
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)
