"""Augmentation: what a strength that was searched brings, and images changed by threads and by processes."""

from __future__ import annotations

import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from benchmarks.measure import Figure, in_turns, median

COUNTS = (100, 1437)
SEEDS = (0, 1, 2)
SPLIT = {"valid": 0.1, "test": 0.1, "salt": "digits"}
STEPS = [
    {"kind": "rotate", "degrees": 30.0},
    {"kind": "scale", "low": 0.7, "high": 1.3},
    {"kind": "crop", "minimum": 0.6, "aspect": 1.3},
    {"kind": "noise", "deviation": 0.15},
    {"kind": "erasing"},
]
"""Strong changes of 8 x 8 pixels."""
SIDES: Mapping[str, Any] = {"none": 0.0, "fixed": 1.0, "auto": "auto"}
"""What `strength` is."""

SIDE, IMAGES, BATCH, BATCHES = 64, 512, 64, 12
HEAVY = [
    *({"kind": "flip"}, {"kind": "rotate"}, {"kind": "crop"}, {"kind": "colour"}, {"kind": "blur"}, {"kind": "noise"})
]


def augmentation(repeats: int) -> list[Figure]:
    """Accuracy and CPU-seconds on digits without changes, with strong ones, and with a strength that is searched."""
    figures = []
    for count in COUNTS:
        found: dict[str, list[tuple[float, float, float]]] = {side: [] for side in SIDES}
        for seed in SEEDS[: max(1, min(repeats, len(SEEDS)))]:
            with tempfile.TemporaryDirectory(prefix="satiety-bench-") as folder:
                path = digits(Path(folder), count, seed)
                for side, strength in SIDES.items():
                    found[side].append(_trained(path, strength))
        for side, results in found.items():
            accuracies, seconds, strengths = zip(*results, strict=True)
            detail = {"accuracies": accuracies, "strengths": strengths, "cpu_s": seconds}
            name = f"digits, {count} training images, strength {side}"
            figures.append(Figure(f"{name}: accuracy", statistics.fmean(accuracies), "", detail=detail))
            figures.append(Figure(f"{name}: training and search", statistics.fmean(seconds), "s"))
        best = max(statistics.fmean(row[0] for row in found[side]) for side in ("none", "fixed"))
        lead = statistics.fmean(row[0] for row in found["auto"]) - best
        figures.append(Figure(f"digits, {count}: auto less the better of both", lead, "", ">= -0.01", lead >= -0.01))
    return figures


def _trained(path: Path, strength: float | str) -> tuple[float, float, float]:
    """Accuracy on the test split, CPU-seconds of training and search, and the strength that was used."""
    from ops.stages.chain import stages
    from ops.stages.run import build_stage, partitions_of
    from ops.stages.settled import STRENGTH, chosen
    from ops.stages.spec import Services
    from ops.storage import Store
    from pipelines.recipe import load

    recipe, store = load(str(path), (f"augmentation.strength={strength}",)).recipe, Store(path.parent / "store")
    services = Services(_forked)
    found = {
        (stage.name, key): build_stage(stage, recipe, key, store, services).version
        for stage in stages(recipe)
        for key in partitions_of(stage, recipe)
    }
    report = found["report", "all"].json("report.json")
    used = chosen(found[STRENGTH, "all"]) if strength == "auto" else float(strength)
    return report["scores"][0]["accuracy"]["value"], report["costs"][0]["cost"]["cpu_seconds"], used


def _forked(run_file: Path, recipe: Any, on_record: Any) -> None:
    """Train in a process that has everything imported: what it takes to start one is not measured here."""
    from ops.training import loop, worker  # noqa: F401

    child = os.fork()
    if not child:
        code = 1
        try:
            code = worker.main([str(run_file)])
        finally:
            os._exit(code)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise SystemExit(f"{run_file}: the training failed")


def digits(folder: Path, training: int, seed: int) -> Path:
    """The recipe of so many training images of scikit-learn's digits, and all of its validation and test images."""
    from PIL import Image
    from sklearn.datasets import load_digits

    from ops.cleaning.split import Split

    found = load_digits()
    stored: list[bytes] = []
    for pixels in found.images:
        stream = io.BytesIO()
        Image.fromarray((pixels * 15.9375).astype(np.uint8)).save(stream, format="PNG")
        stored.append(stream.getvalue())
    split = Split.model_validate(SPLIT).assign(pl.DataFrame({"image": stored}), ["image"])["split"]
    train = np.flatnonzero((split == "train").to_numpy())
    chosen = np.random.default_rng(seed).permutation(train)[:training]
    for number in [*chosen.tolist(), *np.flatnonzero((split != "train").to_numpy()).tolist()]:
        path = folder / "images" / str(found.target[number]) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(stored[number])
    recipe = {
        "name": "digits",
        "description": "Reads a handwritten digit.",
        "seed": seed,
        "source": {"kind": "image_folder", "path": "images"},
        "partitions": {"single": True},
        "split": SPLIT,
        "normalization": [{"kind": "resize", "height": 8, "width": 8, "channels": 1}],
        "augmentation": {"mode": "on_the_fly", "steps": STEPS},
        "task": {"kind": "image_classification", "input": "image", "label": "label"},
        "model": {"kind": "vision_transformer", "patch": 2, "dim": 64, "depth": 2, "heads": 4},
        "training": {"steps": 200, "batch_size": 32, "optimizer": "muon", "evaluate_every": 50},
        "evaluation": {"baseline": {"kind": "pixel_svm"}},
    }
    path = folder / "digits.yaml"
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return path


def loader_processes(repeats: int) -> list[Figure]:
    """Wall and CPU-seconds to a number of batches of heavily changed images, by two threads and by two processes."""
    with tempfile.TemporaryDirectory(prefix="satiety-bench-") as name:
        sides = {kind: _batches(Path(name), kind) for kind in ("threads", "processes")}
        try:
            taken = dict(zip(sides, in_turns(repeats, *(side for side, _, _ in sides.values())), strict=True))
            busy = {kind: median(spent[1:]) for kind, (_, _, spent) in sides.items()}
        finally:
            for _, close, _ in sides.values():
                close()
    images = BATCH * BATCHES
    threads, processes = (median(taken[kind]) for kind in ("threads", "processes"))
    detail = {kind: [round(value, 3) for value in values] for kind, values in taken.items()}
    rate = f"images of {SIDE} x {SIDE}, six changes"
    return [
        Figure(f"{rate}, two threads", images / threads, "/s", detail=detail),
        Figure(f"{rate}, two processes", images / processes, "/s"),
        Figure("two processes over two threads", threads / processes, "x"),
        Figure("CPU-seconds of two processes over those of two threads", busy["processes"] / busy["threads"], "x"),
    ]


def _batches(folder: Path, kind: str) -> tuple[Callable[[], float], Callable[[], None], list[float]]:
    """What makes the next batches, what ends it, and the CPU-seconds of each turn."""
    from ops.nn.spec import ImageSpec
    from ops.tasks.image_classification import ImageClassification
    from ops.training.altering import Altering
    from ops.training.cache_files import DATA
    from ops.training.changing.base import changing_of
    from ops.training.config import Loader
    from ops.training.crew import Crew
    from ops.training.data import Examples
    from ops.training.loader import batches
    from ops.training.order import Order
    from ops.training.run import CacheInput, Changes

    spec = ImageSpec(height=SIDE, width=SIDE, channels=3)
    pixels = np.random.default_rng(0).integers(0, 256, IMAGES * spec.size, dtype=np.uint8)
    pixels.tofile(folder / DATA)
    rows, zeros = np.arange(IMAGES), np.zeros(IMAGES, np.int64)
    examples = Examples((pixels,), zeros, rows * spec.size, np.full(IMAGES, spec.size), zeros)
    alter = Altering(changing_of(Changes(steps=HEAVY), spec, 0), examples, [str(row) for row in rows])
    inputs = [CacheInput(partition="all", path=str(folder), files={})]
    crew = Crew(2, examples, inputs, alter) if kind == "processes" else None
    settings, task = Loader(kind="threads", workers=2, prefetch=4), ImageClassification(input="image", label="label")
    order = Order(examples.length, BATCH, 0)
    source = batches(examples, order, task, spec, 1 << 30, settings, alter=alter, crew=crew)
    spent: list[float] = []
    step = 0

    def busy() -> float:
        return time.process_time() + (crew.spent()[0] if crew is not None else 0.0)

    def turn() -> float:
        nonlocal step
        started, before = time.perf_counter(), busy()
        for _ in range(BATCHES):
            source.get(step)
            step += 1
        spent.append(busy() - before)
        return time.perf_counter() - started

    return turn, source.close, spent
