"""Sizes of what a model reads are foreseen as the data get them, and what will not fit is named at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ops.foreseen import foreseen
from ops.nn.spec import ImageSpec, SoundSpec
from ops.normalization.mel import powers
from ops.recipe import Recipe
from tests.series import series_recipe
from tests.sounds import sound_recipe
from tests.tables import table_recipe
from tests.tiny import tiny_recipe


def made(path: Path) -> Recipe:
    return Recipe.model_validate(yaml.safe_load(path.read_text()))


def test_sizes_are_those_of_the_data(tmp_path: Path) -> None:
    steps = [
        {"kind": "waveform", "rate": 8000, "seconds": 0.3},
        {"kind": "log_mel", "window": 200, "hop": 90, "mels": 7},
    ]
    (mels,) = powers(np.zeros((1, 2400), np.float32), 200, 90)
    assert foreseen(made(sound_recipe(tmp_path, normalization=steps))) == SoundSpec(frames=len(mels), mels=7)
    resize = [{"kind": "resize", "height": 24, "width": 16, "channels": 1}]
    found = foreseen(made(tiny_recipe(tmp_path, modality="image", normalization=resize)))
    assert found == ImageSpec(height=24, width=16, channels=1)
    assert foreseen(made(table_recipe(tmp_path))) is None and foreseen(made(tiny_recipe(tmp_path))) is None


WRONG: list[tuple[Any, dict[str, Any], tuple[str | int, ...], str]] = [
    (sound_recipe, {"model": {"patch": 500}}, ("model", "patch"), "patch: 500 is longer than a sound of"),
    (
        sound_recipe,
        {"normalization": [{"kind": "waveform", "rate": 4000}, {"kind": "log_mel", "high": 3000.0}]},
        ("normalization", 1, "kind"),
        "20.0 to 3000.0 Hz is not within 0 to 2000.0 Hz",
    ),
    (series_recipe, {"model": {"patch": 5}, "task": {"history": 24}}, ("model",), "patch: 5 does not divide history"),
]


@pytest.mark.parametrize(("write", "overrides", "path", "text"), WRONG)
def test_what_will_not_fit_is_named_before_anything_runs(
    tmp_path: Path, write: Any, overrides: dict[str, Any], path: tuple[str | int, ...], text: str
) -> None:
    assert made(write(tmp_path)).problems() == []
    assert [at for at, message in made(write(tmp_path, **overrides)).problems() if text in message] == [path]


def test_patches_tile_the_images(tmp_path: Path) -> None:
    resize = [{"kind": "resize", "height": 24, "width": 16, "channels": 1}]
    recipe = made(tiny_recipe(tmp_path, modality="image", normalization=resize, model={"patch": 5}))
    assert [path for path, text in recipe.problems() if "patch: 5 does not tile images" in text] == [("model", "patch")]
