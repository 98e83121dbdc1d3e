"""A tiny recipe over made-up verse, one long text, for tests of the whole chain of a language model."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import yaml

from tests.tiny import _merged

WORDS = ("the", "owl", "and", "cat", "went", "to", "sea", "in", "a", "boat", "of", "green", "with", "honey")


def stream_recipe(folder: Path, *, name: str = "verse", **overrides: Any) -> Path:
    """Write data and `<name>.yaml` into the folder; returns the recipe's path. Mappings among the overrides merge."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.txt").write_text(verse(), encoding="utf-8")
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(_merged(_recipe(name), overrides), sort_keys=False), encoding="utf-8")
    return path


def verse(lines: int = 400, seed: int = 0) -> str:
    """Lines in which each word tells something of the next."""
    draw, place, found = random.Random(seed), 0, []
    for _ in range(lines):
        words = []
        for _ in range(draw.randint(4, 7)):
            place = (place * 3 + draw.randint(0, 2)) % len(WORDS)
            words.append(WORDS[place])
        found.append(" ".join(words) + ".\n")
    return "".join(found)


def _recipe(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "description": "Goes on with made-up verse.",
        "seed": 3,
        "owners": ["team:tests"],
        "source": {"kind": "text", "path": f"{name}.txt", "per": "file"},
        "partitions": {"single": True},
        "cleaning": [{"kind": "passages", "parts": 20}],
        "split": {"position": "position", "valid": 0.1, "test": 0.1},
        "tokenizer": {"kind": "character", "vocabulary": 64, "min_frequency": 1, "max_length": 8192},
        "task": {"kind": "language_model", "input": "text", "context": 16},
        "model": {"kind": "transformer_decoder", "dim": 16, "depth": 1, "heads": 2},
        "training": {
            "steps": 60,
            "batch_size": 16,
            "optimizer": "muon",
            "learning_rate": 0.01,
            "checkpoint_every": 20,
        },
        "evaluation": {"bootstrap": 100, "samples": 2, "baseline": {"kind": "ngram", "order": 4}},
    }
