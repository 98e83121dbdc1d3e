"""Whether two images that are laid over one another are alike everywhere, not only on the whole."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.deduplication.images.verify import Floats, Integers, Windows, flipped, slopes, softened, windowed

PARTS = 5
"""Parts along each side."""

_LEAST = 0.25
"""A part with less than this share of an average part's slopes says nothing: noise is all that it has."""
_WHITE, _NEARLY_WHITE = 252.0, 190.0
_CHUNK = 512  # images looked at together: bounds memory


def agreement(images: NDArray[Any], left: Integers, right: Integers, flips: Integers, windows: Windows) -> Floats:
    """(P,) how alike each pair is in that of 5 x 5 parts where it is least so: correlation of slopes, from -1 to 1.

    A copy is like its image everywhere. Another photograph of the same face or place can be as alike on the whole as a
    copy that was compressed and cut, but not where the mouth is open or the head is turned.

    Args:
        images: (N, 64, 64) grey values.
        left: (P,) number of each pair's first image.
        right: (P,) number of its second one.
        flips: (P,) how the second one is mirrored, as in `FLIPS`.
        windows: (P, 3) which part of the first one the second one shows.
    """
    found = np.empty(len(left), np.float32)
    for start in range(0, len(left), _CHUNK):
        some = slice(start, start + _CHUNK)
        first = windowed(images[left[some]], windows[some], images.shape[1])
        second = flipped(images[right[some]], flips[some])
        found[some] = _least(*_comparable(softened(first), softened(second)))
    return found


def _comparable(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Slopes of both images, 0 where one of them is clipped in white or black and the other nearly: light did that."""
    white = (np.maximum(first, second) >= _WHITE) & (np.minimum(first, second) >= _NEARLY_WHITE)
    black = (np.minimum(first, second) <= 255 - _WHITE) & (np.maximum(first, second) <= 255 - _NEARLY_WHITE)
    told = ~(white | black)
    across, down = told[:, 1:-1, 2:] & told[:, 1:-1, :-2], told[:, 2:, 1:-1] & told[:, :-2, 1:-1]
    both = np.stack([across, down], axis=1)
    return slopes(first) * both, slopes(second) * both


def _least(first: Floats, second: Floats) -> Floats:
    """The least correlation over the parts, of slopes (N, 2, S, S)."""
    edges = np.round(np.linspace(0, first.shape[2], PARTS + 1)).astype(int)[:-1]

    def summed(values: Floats) -> Floats:
        rows = np.add.reduceat(values.sum(axis=1), edges, axis=1)
        return np.asarray(np.add.reduceat(rows, edges, axis=2), dtype=np.float32)

    both = np.sqrt(summed(first**2) * summed(second**2))
    told = both > _LEAST * both.mean(axis=(1, 2), keepdims=True)
    alike = summed(first * second) / np.maximum(both, np.float32(1e-6))
    return np.asarray(np.where(told, alike, np.float32(1)).min(axis=(1, 2)), dtype=np.float32)
