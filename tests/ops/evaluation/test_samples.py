from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from ops.evaluation.samples import choose_mistakes, choose_rows, png_uri, sample

TRUTH = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2])
PREDICTED = np.array([1, 1, 1, 0, 1, 2, 0, 2, 2])


def test_rows_take_every_class_in_turn() -> None:
    rows = choose_rows(TRUTH, 5, seed=0)
    assert sorted(TRUTH[rows[:3]]) == [0, 1, 2]
    assert len(set(rows)) == 5
    assert rows == choose_rows(TRUTH, 5, seed=0)
    assert sorted(choose_rows(TRUTH, 100, seed=1)) == list(range(9))


def test_mistakes_are_wrong_and_the_frequent_kind_comes_first() -> None:
    rows = choose_mistakes(TRUTH, PREDICTED, 4, seed=0)
    kinds = [(int(TRUTH[row]), int(PREDICTED[row])) for row in rows]
    assert kinds == [(0, 1), (1, 2), (2, 0), (0, 1)]
    assert choose_mistakes(TRUTH, TRUTH, 4, seed=0) == []
    assert choose_mistakes(TRUTH, PREDICTED, 0, seed=0) == []


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (9, 7, 3), (5, 6, 4)])
def test_small_images_travel_pixel_for_pixel(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    head, _, data = png_uri(pixels).partition(",")
    assert head == "data:image/png;base64"
    decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))
    assert np.array_equal(decoded, pixels[:, :, 0] if shape[-1] == 1 else pixels)


def test_large_images_and_texts_are_made_small() -> None:
    uri = png_uri(np.random.default_rng(0).integers(0, 256, (400, 1000, 3)).astype(np.uint8))
    assert Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).size == (96, 38)
    shown = sample("id", "\u202e" * 1_000_000, "a", "b")
    assert shown.text is not None and len(shown.text) <= 400
    assert shown.text.startswith("<U+202E>")
