"""A tiny recipe over a made-up table of numbers and categories, with holes and faults, for tests of the whole chain."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from tests.tiny import _merged

KEPT, HOLES, SPIKES, COPIES, BROKEN = 300, 20, 5, 6, 3
"""Rows as they are, rows of them that lack a number, rows with an impossible one, repeats, and broken lines."""
KINDS = ("oak", "fir", "yew")


def table_recipe(
    folder: Path, *, name: str = "leaves", replace: Mapping[str, Any] = MappingProxyType({}), **overrides: Any
) -> Path:
    """Write data and `<name>.yaml` into the folder; returns the recipe's path.

    Mappings among the overrides are merged into the recipe's; what is in `replace` takes the place of what is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_rows(folder / f"{name}.csv")
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**_merged(_recipe(name), overrides), **replace}, sort_keys=False), encoding="utf-8")
    return path


def write_rows(path: Path, seed: int = 0) -> None:
    """A CSV file: a number, length, width, soil and kind of leaves; one kind is rare, another known by soil alone."""
    draw = random.Random(seed)
    lines = []
    for number in range(KEPT):
        kind = draw.choices(KINDS, (8, 8, 2))[0]
        soil = "bog" if kind == "fir" and draw.random() < 0.95 else draw.choice(["clay", "sand"])
        length = draw.gauss(9.0 if kind == "yew" else 5.0, 0.7)
        width = "" if number < HOLES else f"{length * 40 + draw.gauss(0, 20):.2f}"
        lines.append(f"{number},{length:.3f},{width},{soil if draw.random() < 0.97 else ''},{kind}")
    lines += [f"{KEPT + n},{900 + n}.0,200.0,clay,oak" for n in range(SPIKES)]
    lines += lines[HOLES : HOLES + COPIES]
    lines += [f"x{n},1.0,2.0,clay,oak" for n in range(BROKEN)]
    path.write_text("\n".join(["leaf,length,width,soil,kind", *lines]) + "\n", encoding="utf-8")


def _recipe(name: str) -> dict[str, Any]:
    columns = {"leaf": "int64", "length": "float64", "width": "float64", "soil": "string", "kind": "string"}
    return {
        "name": name,
        "description": "Tells made-up leaves apart.",
        "seed": 3,
        "owners": ["team:tests"],
        "source": {"kind": "csv", "path": f"{name}.csv", "columns": columns},
        "partitions": {"hash": 2},
        "cleaning": [
            {"kind": "exact_duplicates", "columns": ["leaf"], "conflict_label": "kind"},
            {"kind": "outliers", "columns": ["length"], "method": "mad", "threshold": 30.0},
            {"kind": "impute", "columns": ["width"], "method": "knn"},
        ],
        "split": {"valid": 0.2, "test": 0.2},
        "normalization": [{"kind": "rescale", "columns": ["length", "width"]}],
        "augmentation": {
            "copies": 12,
            "balance": True,
            "steps": [
                {"kind": "smote", "columns": ["length", "width"], "neighbours": 3},
                {"kind": "jitter", "columns": ["width"], "strength": 0.01},
            ],
        },
        "task": {
            "kind": "table_classification",
            "input": "leaf",
            "label": "kind",
            "features": ["length", "width"],
            "categories": ["soil"],
        },
        "model": {"kind": "feature_transformer", "dim": 16, "depth": 1, "heads": 2, "dropout": 0.0},
        "training": {"steps": 60, "batch_size": 32, "learning_rate": 0.01, "checkpoint_every": 20},
        "evaluation": {"bootstrap": 100, "baseline": {"kind": "boosted_trees", "trees": 10}},
    }
