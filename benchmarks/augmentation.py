"""Augmentation: what a strength that was searched brings, and images changed by threads and by processes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import yaml

COUNTS = (100, 1437)
STEPS = [
    {"kind": "rotate", "degrees": 30.0},
    {"kind": "scale", "low": 0.7, "high": 1.3},
    {"kind": "crop", "minimum": 0.6, "aspect": 1.3},
    {"kind": "noise", "deviation": 0.15},
    {"kind": "erasing"},
]


def digits(folder: Path, training: int, seed: int) -> Path:
    """The recipe of that many training images of scikit-learn's digits, and all of its validation and test images."""
    from PIL import Image
    from sklearn.datasets import load_digits

    from ops.cleaning.split import Split

    found = load_digits()
    stored: list[bytes] = []
    for pixels in found.images:
        stream = io.BytesIO()
        Image.fromarray((pixels * 15.9375).astype(np.uint8)).save(stream, format="PNG")
        stored.append(stream.getvalue())
    salt = "digits"
    split = Split(valid=0.1, test=0.1, salt=salt).assign(pl.DataFrame({"image": stored}), "image")["split"]
    train = np.flatnonzero((split == "train").to_numpy())
    chosen = np.random.default_rng(seed).permutation(train)[:training]
    for number in [*chosen, *np.flatnonzero((split != "train").to_numpy())]:
        path = folder / "images" / str(found.target[number]) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(stored[number])
    recipe = {
        "name": "digits",
        "description": "Reads a handwritten digit.",
        "seed": seed,
        "source": {"kind": "image_folder", "path": "images"},
        "partitions": {"single": True},
        "split": {"valid": 0.1, "test": 0.1, "salt": salt},
        "normalization": [{"kind": "resize", "height": 8, "width": 8, "channels": 1}],
        "augmentation": {"mode": "on_the_fly", "steps": STEPS},
        "task": {"kind": "image_classification", "input": "image", "label": "label"},
        "model": {"kind": "vision_transformer", "patch": 2, "dim": 64, "depth": 2, "heads": 4},
        "training": {"steps": 400, "batch_size": 64, "optimizer": "muon", "evaluate_every": 50},
        "evaluation": {"baseline": {"kind": "pixel_svm"}},
    }
    path = folder / "digits.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return path
