"""Which of the images that are alike are dropped: each for one that is kept and that it is itself like."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from ops.deduplication.images.pairs import CROP, Found


def stars(found: Found, pixels: NDArray[Any]) -> Iterator[tuple[int, int, str, float]]:
    """Yield (number dropped, number kept instead, reason, likeness), in the order of those dropped.

    Images are taken from the largest to the smallest, equal ones in order: one that is not like any kept one is kept.
    """
    reasons = {CROP: "crop", 0: "duplicate"}
    near: dict[int, list[tuple[int, int, float]]] = {}
    for left, right, alike, how in zip(*(values.tolist() for values in found), strict=True):
        near.setdefault(left, []).append((right, how, alike))
        near.setdefault(right, []).append((left, how, alike))
    # Only over images that are like another one: few.
    order = sorted(near, key=lambda number: (-int(pixels[number]), number))
    kept: set[int] = set()
    dropped: dict[int, tuple[int, int, float]] = {}
    for number in order:
        likes = [edge for edge in near[number] if edge[0] in kept]
        if likes:
            dropped[number] = max(likes, key=lambda edge: (edge[2], -edge[0]))
        else:
            kept.add(number)
    for number in sorted(dropped):
        other, how, alike = dropped[number]
        yield number, other, reasons.get(how, "mirrored"), alike
