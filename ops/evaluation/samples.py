"""Choosing rows to show, and making them small enough to be carried in the report."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.evaluation.metrics import Labels
from ops.evaluation.schema import Sample
from ops.evaluation.text import clip, line, visible

LONGEST_TEXT = 400
LARGEST_SIDE = 96


def choose_rows(truth: Labels, limit: int, seed: int) -> list[int]:
    """Indices of `limit` rows in a seeded order that takes every class in turn."""
    return _in_turn([int(label) for label in truth], range(len(truth)), limit, seed)


def choose_mistakes(truth: Labels, predicted: Labels, limit: int, seed: int) -> list[int]:
    """Indices of `limit` wrong rows: one of each confusion in turn, the most frequent confusions first."""
    wrong = [int(row) for row in np.flatnonzero(np.asarray(truth) != np.asarray(predicted))]
    kinds = [(int(t), int(p)) for t, p in zip(truth, predicted, strict=True)]
    return _in_turn(kinds, wrong, limit, seed)


def _in_turn(kinds: Sequence[Any], rows: Sequence[int] | range, limit: int, seed: int) -> list[int]:
    groups: dict[Any, list[int]] = {}
    for row in rows:
        groups.setdefault(kinds[row], []).append(row)
    generator = np.random.default_rng(seed)
    shuffled = [
        [members[i] for i in generator.permutation(len(members))[:limit]]
        for _, members in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
    chosen: list[int] = []
    for turn in range(limit):
        chosen += [members[turn] for members in shuffled if turn < len(members)]
    return chosen[:limit]


def sample(identity: str, content: str | NDArray[np.uint8], truth: str, predicted: str) -> Sample:
    """A row as the report carries it: the beginning of a text, or an image of at most 96 pixels a side."""
    shown = {"id": line(identity), "truth": truth, "predicted": predicted}
    if isinstance(content, str):
        # Clipped first: a huge text is not worth cleaning as a whole.
        return Sample(text=clip(visible(clip(content, 2 * LONGEST_TEXT)), LONGEST_TEXT), **shown)
    return Sample(image=png_uri(content), **shown)


def png_uri(image: NDArray[np.uint8]) -> str:
    """A data URI of the image, uint8 of shape (height, width) or (height, width, 1, 3 or 4), as PNG."""
    from PIL import Image

    array = np.asarray(image)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    picture = Image.fromarray(np.ascontiguousarray(array))
    if max(picture.size) > LARGEST_SIDE:
        picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.BOX)
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
