"""The strength of augmentation: what each kind does with a share of it, and what is no strength."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from ops.augmentation.base import Change, ImageChange
from ops.augmentation.config import Augmentation
from ops.augmentation.search import Search
from ops.registry import discover
from ops.steps import Facts
from tests.ops.augmentation.test_config import rows

KINDS = discover("ops.augmentation", base=Change)
MORE = {"jitter": {"columns": ["a"]}, "smote": {"columns": ["a"]}}

# At half of the strength, worked out by hand from the defaults.
HALVED: dict[str, dict[str, float]] = {
    "flip": {"probability": 0.25},
    "rotate": {"degrees": 7.5},
    "scale": {"low": 0.9**0.5, "high": 1.1**0.5},
    "crop": {"minimum": 0.9, "aspect": 1.1**0.5},
    "colour": {"brightness": 0.1, "contrast": 0.1, "saturation": 0.1, "hue": 0.025},
    "blur": {"sigma": 0.5},
    "noise": {"deviation": 0.025},
    "erasing": {"probability": 0.25},
    "word_dropout": {"rate": 0.05},
    "word_swap": {"probability": 0.5},
    "eda": {"probability": 0.5},
    "bpe_dropout": {"rate": 0.05},
    "jitter": {"strength": 0.025},
    "smote": {"probability": 0.5},
    "sound_shift": {"limit": 0.05},
    "sound_noise": {"low": 16.0206, "high": 36.0206},  # half the amplitude is 6.02 dB less
    "spec_augment": {"time_limit": 0.1, "pitch_limit": 0.1},
}


def change(kind: str) -> Change:
    found = KINDS[kind].model_validate({"kind": kind, **MORE.get(kind, {})})
    assert isinstance(found, Change)
    return found


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_halved(kind: str) -> None:
    whole = change(kind)
    half = whole.at(0.5)
    differing = {name: value for name, value in half.model_dump().items() if value != whole.model_dump()[name]}
    assert differing == pytest.approx(HALVED[kind], abs=1e-4)
    assert whole.at(1.0) is whole and whole.at(0.0).probability == 0.0
    for strength in (0.01, 0.5, 0.99):  # what is copied without being checked is allowed
        type(whole).model_validate(whole.at(strength).model_dump())


def smooth(count: int) -> tuple[pl.DataFrame, np.ndarray[Any, Any]]:
    """Images of waves with a little grain, on which a larger change is a larger difference."""
    generator = np.random.default_rng(0)
    draw = generator.uniform(0.5, 2.0, (count, 3, 2))
    waves = [np.sin(np.add.outer(np.arange(24) * a, np.arange(32) * b) / 10) for a, b in draw.reshape(-1, 2)]
    images = (128 + 100 * np.stack(waves).reshape(count, 3, 24, 32).transpose(0, 2, 3, 1)).astype(np.uint8)
    images += generator.integers(0, 25, images.shape, dtype=np.uint8)
    table = pl.DataFrame({"id": [str(k) for k in range(count)], "image": [i.tobytes() for i in images]})
    shape = {"height": 24, "width": 32, "channels": 3}
    return table.with_columns(pl.lit("train").alias("split"), *(pl.lit(n).alias(k) for k, n in shape.items())), images


@pytest.mark.parametrize("kind", sorted(kind for kind, cls in KINDS.items() if issubclass(cls, ImageChange)))
def test_images_are_changed_less_and_less(kind: str) -> None:
    table, before = smooth(60)

    def distance(strength: float) -> float:
        settings = {"steps": [{"kind": kind}], "strength": strength}
        copies = Augmentation.model_validate(settings).apply(table, Facts("p", 3)).kept.filter(pl.col("copy") == 1)
        after = np.array([np.frombuffer(data, np.uint8) for data in copies["image"]])
        return float(np.abs(after.astype(int) - before.reshape(len(before), -1)).mean())

    none, part, whole = distance(0.0), distance(0.6), distance(1.0)
    assert none == 0.0 and 0.0 < part < whole


def test_the_whole_strength_is_what_the_steps_say() -> None:
    steps: list[dict[str, Any]] = [{"kind": "rotate"}, {"kind": "flip"}]
    plain, said = ({"steps": steps}, {"steps": steps, "strength": 1.0})
    one, other = (Augmentation.model_validate(s).apply(rows(), Facts("p", 3)).kept for s in (plain, said))
    assert one.equals(other)


def test_texts_without_strength_stay() -> None:
    table = pl.DataFrame({"id": ["a", "b"], "text": ["one two three four", "five six"], "split": ["train"] * 2})
    steps = [{"kind": kind} for kind in ("eda", "word_swap", "word_dropout", "bpe_dropout")]
    found = Augmentation.model_validate({"steps": steps, "strength": 0.0}).apply(table, Facts("p", 1), "text").kept
    assert found["text"].to_list() == table["text"].to_list() * 2 and set(found["dropout_rate"]) == {0.0}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"strength": 1.5}, "less than or equal to 1"),
        ({"strength": -0.1}, "greater than or equal to 0"),
        ({"strength": "auto", "copies": 0}, "no copies whose strength could be searched"),
        ({"strength": 0.5, "search": {"repeats": 2}}, "search does nothing unless strength is auto"),
        ({"strength": "auto", "search": {"strengths": [0.5]}}, "at least 2"),
        ({"strength": "auto", "search": {"strengths": [0.5, 0.1]}}, "from weak to strong"),
        ({"strength": "auto", "search": {"strengths": [0.5, 0.5]}}, "each once"),
    ],
)
def test_what_is_no_strength(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Augmentation.model_validate({"steps": [{"kind": "flip"}], **settings})


def test_what_was_written_down_is_read_again() -> None:
    for settings in ({"strength": "auto", "search": {"repeats": 2}}, {"strength": 0.3}, {}):
        found = Augmentation.model_validate({"steps": [{"kind": "flip"}], **settings})
        assert Augmentation.model_validate_json(found.model_dump_json()) == found


def test_rounds_halve_the_strengths_and_double_the_steps() -> None:
    assert Search().rounds() == [(5, 0.25), (3, 0.5), (2, 1.0)]
    assert Search(strengths=[0.0, 1.0], budget=0.5).rounds() == [(2, 0.5)]
    eight = Search(strengths=[k / 7 for k in range(8)], budget=0.8)
    assert eight.rounds() == [(8, 0.2), (4, 0.4), (2, 0.8)]
