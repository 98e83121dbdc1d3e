"""Tasks of rows and of sounds: what is asked of a recipe, and the tensors that models take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from ops.errors import IntegrityError
from ops.nn.spec import ImageSpec, RowSpec, SoundSpec
from ops.tasks.sound_classification import SoundClassification
from ops.tasks.table_classification import TableClassification


def test_a_row_is_numbers_then_numbers_of_categories() -> None:
    task = TableClassification(label="kind", features=["a", "b"], categories=["c"])
    values = np.array([[0.5, -1.0, 3.0], [2.0, 1e30, 0.0]], np.float32)
    numbers, codes = task.collate(values, np.full(2, 3), RowSpec(numbers=2, categories=(5,)))
    assert torch.equal(numbers, torch.tensor([[0.5, -1.0], [2.0, 1e30]]))
    assert codes.dtype == torch.int64 and codes.tolist() == [[3], [0]]
    with pytest.raises(IntegrityError, match="a row of the cache"):
        task.collate(values, np.full(2, 3), RowSpec(numbers=3, categories=(5,)))


def test_a_row_needs_no_name() -> None:
    task = TableClassification(label="kind", features=["a"], categories=["c"])
    assert task.reads == ["a", "c"] and task.form == "row" and task.input == ""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "give features, categories, or both"),
        ({"features": ["a"], "categories": ["a"]}, "a column is there twice"),
        ({"features": ["kind"]}, "'kind' is the label"),
        ({"features": ["copy"]}, "'copy' is a name that Satiety uses itself"),
    ],
)
def test_what_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TableClassification(label="kind", **settings)


def test_a_sound_is_frames_of_mel_channels() -> None:
    task = SoundClassification(input="sound", label="label")
    values = np.arange(24, dtype=np.uint8).reshape(2, 12)
    (sounds,) = task.collate(values, np.full(2, 12), SoundSpec(frames=4, mels=3))
    assert sounds.shape == (2, 4, 3) and sounds[1, 2].tolist() == [18, 19, 20]
    assert task.form == "sound"
    for spec in (SoundSpec(frames=5, mels=3), ImageSpec(height=4, width=3, channels=1)):
        with pytest.raises(IntegrityError, match="a sound of the cache"):
            task.collate(values, np.full(2, 12), spec)
