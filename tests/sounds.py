"""A tiny recipe over made-up tones, for tests of the whole chain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import yaml

from tests.ops.normalization.sounds import sine, wav
from tests.tiny import _merged

TONES = 120
BROKEN = 2
"""Files of sound that are kept, and files that are no sound; beside them one that is silent and one too short."""


def sound_recipe(
    folder: Path, *, name: str = "tones", replace: Mapping[str, Any] = MappingProxyType({}), **overrides: Any
) -> Path:
    """Write data and `<name>.yaml` into the folder; returns the recipe's path.

    Mappings among the overrides are merged into the recipe's; what is in `replace` takes the place of what is there.
    """
    write_tones(folder / name)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**_merged(_recipe(name), overrides), **replace}, sort_keys=False), encoding="utf-8")
    return path


def write_tones(folder: Path, seed: int = 0) -> None:
    """A folder for each class: `rising` goes from a low tone to a high one, `falling` the other way."""
    draw = np.random.default_rng(seed)
    for number in range(TONES):
        label = ("rising", "falling")[number % 2]
        low, high = draw.uniform(300, 600), draw.uniform(1500, 2500)
        tones = [sine(hertz, draw.uniform(0.15, 0.25)) for hertz in (low, high)]
        sound = np.concatenate(tones if label == "rising" else tones[::-1])
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / label / f"{number:03d}.wav").write_bytes(wav(sound + draw.normal(0, 0.01, len(sound))))
    (folder / "rising" / "silent.wav").write_bytes(wav(np.zeros(4000)))
    (folder / "rising" / "short.wav").write_bytes(wav(sine(300.0, 0.02)))
    for number in range(BROKEN):
        (folder / "falling" / f"broken-{number}.wav").write_bytes(b"RIFF" + bytes(9))


def _recipe(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": "Tells made-up tones apart.",
        "seed": 3,
        "owners": ["team:tests"],
        "source": {"kind": "wav_folder", "path": name},
        "partitions": {"hash": 2},
        "cleaning": [{"kind": "sound_quality"}],
        "split": {"valid": 0.2, "test": 0.2},
        "normalization": [
            {"kind": "waveform", "rate": 8000, "seconds": 0.5},
            {"kind": "log_mel", "window": 256, "hop": 128, "mels": 16},
        ],
        "augmentation": {
            "copies": 1,
            "steps": [{"kind": "sound_shift"}, {"kind": "sound_noise"}, {"kind": "spec_augment"}],
        },
        "task": {"kind": "sound_classification", "input": "sound", "label": "label"},
        "model": {
            "kind": "spectrogram_transformer",
            "dim": 16,
            "depth": 1,
            "heads": 2,
            "stem_channels": 16,
            "dropout": 0.0,
        },
        "training": {"steps": 60, "batch_size": 16, "learning_rate": 0.005, "checkpoint_every": 20},
        "evaluation": {"bootstrap": 100, "baseline": {"kind": "spectrum_svm"}},
    }
