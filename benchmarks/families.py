"""Families of models on one recipe each for text and images: accuracy on the test split, weights, CPU-seconds.

Cleaned data and token caches are built once for a recipe; then each family is trained by the recipe's own settings of
training, for several seeds of weights and order. What is counted is the training process alone, evaluations included.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import ROOT, Figure

if TYPE_CHECKING:
    from ops.recipe import Recipe
    from ops.storage import Store, Version

FAMILIES = {
    "quickstart": {
        "transformer_encoder": "",
        "text_cnn": "{kind: text_cnn, dim: 64, filters: 64}",
        "lstm": "{kind: recurrent_encoder, cell: lstm, dim: 64, hidden: 64, pooling: max}",
        "gru": "{kind: recurrent_encoder, cell: gru, dim: 64, hidden: 64, pooling: max}",
    },
    "digits": {
        "vision_transformer": "",
        "compact_transformer": "{kind: compact_transformer, dim: 64, depth: 2}",
        "resnet": "{kind: resnet, widths: [16, 32, 64], blocks: 1}",
        "mobilenet": "{kind: mobilenet, widths: [16, 24, 32], blocks: 2, expansion: 3}",
    },
}
"""Models by recipe, of like size; an empty one is the recipe's own."""


def families(repeats: int) -> list[Figure]:
    """Each family's mean accuracy over seeds; up to three of them."""
    figures = []
    for name, models in FAMILIES.items():
        with tempfile.TemporaryDirectory(prefix="satiety-bench-") as folder:
            figures += _recipe(name, models, Path(folder), range(min(repeats, 3)))
    return figures


def _recipe(name: str, models: dict[str, str], folder: Path, seeds: range) -> list[Figure]:
    from ops.stages.chain import stages
    from ops.stages.run import build_stage, partitions_of
    from ops.storage import Store
    from pipelines.recipe import load

    store, recipe = Store(folder), load(name).recipe
    for stage in stages(recipe):
        if stage.name not in ("model", "report"):
            for key in partitions_of(stage, recipe):
                build_stage(stage, recipe, key, store)
    figures = []
    for family, model in models.items():
        chosen = [f"model={model}"] if model else []
        found = [_trained(load(name, [*chosen, f"seed={7 + seed}"]).recipe, store) for seed in seeds]
        accuracies = [one["accuracy"] for one in found]
        detail = {
            "accuracies": accuracies,
            **{key: found[0][key] for key in ("examples", "parameters", "flops_per_example")},
        }
        detail["cpu_s"] = [one["cpu_s"] for one in found]
        figures.append(Figure(f"{name}: accuracy of {family}", sum(accuracies) / len(found), detail=detail, unit=""))
        figures.append(Figure(f"{name}: CPU-seconds of {family}", min(detail["cpu_s"]), "s"))
        figures.append(Figure(f"{name}: thousands of weights of {family}", found[0]["parameters"] / 1000, "k"))
    return figures


def _trained(recipe: Recipe, store: Store) -> dict[str, Any]:
    """Train on the caches that are there, whatever the recipe's seed, and judge on the test split."""
    from ops.stages.chain import stage_named
    from ops.stages.run import build_stage
    from ops.stages.spec import ALL, Services
    from ops.training.data import load_examples
    from ops.training.evaluate import evaluate
    from ops.training.inputs import cache_inputs
    from ops.training.result import load_model

    stage = stage_named(recipe, "model")
    version = build_stage(stage, recipe, ALL, store, Services(launch=_one_process)).version
    description = version.json("model.json")
    trained = load_model(description, version.file("model.safetensors").read_bytes())
    caches = {key: _current(store, recipe, key) for key in recipe.partition_keys()}
    classes = len(trained.classes)
    examples = load_examples(cache_inputs(caches), trained.spec.dtype, classes)["test"]
    verdict = evaluate(trained.network, trained.task, trained.spec, examples, classes)
    return {
        "accuracy": round(verdict.metrics["accuracy"], 4),
        "examples": verdict.examples,
        "parameters": description["parameters"],
        "flops_per_example": description["flops_per_example"],
        "cpu_s": round(float((version.cost or {})["cpu_s"]), 2),
    }


def _one_process(run_file: Path, recipe: Recipe, on_record: Callable[[dict[str, Any]], None]) -> None:
    command = [sys.executable, "-m", "ops.training.worker", str(run_file)]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, check=True)


def _current(store: Store, recipe: Recipe, key: str) -> Version:
    version = store.slot(recipe.name, "token_cache", key).current()
    assert version is not None
    return version
