"""Synthetic but realistic evaluations, for the tests of the report and for looking at it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ops.evaluation.baselines.base import Fitted
from ops.evaluation.cost import Cost, Energy, estimate_energy
from ops.evaluation.report import TestRows, build_report
from ops.evaluation.schema import Flow, Origin, Report, Subject
from tests.ops.evaluation.given import with_given

CLASSES = [
    *("collections", "dagster", "email", "http", "joblib", "logging"),
    *("mlflow", "numpy", "pandas", "polars", "scipy", "sklearn"),
]
NEIGHBOUR = {7: 10, 10: 11, 11: 10, 8: 9, 9: 8, 1: 6, 6: 1, 2: 3, 3: 2, 0: 5, 5: 0, 4: 11}
SENTENCES = (
    "Return the {} along the given axis, ignoring missing values.\n\nParameters\n----------\naxis : int, optional\n"
    "    Axis of the array; the default is the last one.",
    "Raise if {} is not a mapping of names to types. Called once for every column.",
    "A context manager that restores {} when the block ends, also after an error.",
    "Convert {} to a contiguous block; copies only when it has to.",
    "Deprecated since version 2.1: use MASKED.{} instead.",
)


def predictions(truth: np.ndarray, skill: float, seed: int) -> np.ndarray:
    """Right with probability `skill`, else mostly the class that looks alike."""
    generator = np.random.default_rng(seed)
    wrong = generator.random(len(truth)) > skill
    near = generator.random(len(truth)) < 0.6
    others = generator.integers(0, len(CLASSES), len(truth))
    mistaken = np.where(near, [NEIGHBOUR.get(int(t), 0) for t in truth], others)
    return np.where(wrong, mistaken, truth)


def history(points: int = 24) -> list[dict[str, float]]:
    """Falling loss, rising accuracy; ten training records for each validation."""
    generator = np.random.default_rng(3)
    records: list[dict[str, float]] = []
    for step in range(1, points * 10 + 1):
        decay = float(np.exp(-step / 60))
        records.append({"step": step * 5, "loss": 0.35 + 2.1 * decay + float(generator.normal(0, 0.06)), "lr": 1e-3})
        if step % 10 == 0:
            loss = 0.45 + 2.0 * decay + 0.0006 * step
            accuracy = 0.875 - 0.7 * decay + float(generator.normal(0, 0.004))
            records.append({"step": step * 5, "valid_loss": loss, "valid_accuracy": accuracy})
    return records


def text_flows() -> list[Flow]:
    flows = []
    for index, name in enumerate(CLASSES):
        raw = 1400 + 431 * index
        rejected, short, long, copies = index % 3, 90 + 13 * index, 11 + index, 200 + 35 * index
        clean = raw - rejected - short - long - copies
        flows += [
            Flow(
                stage="raw_corpus",
                partition=name,
                rows_in=raw,
                rows_out=raw - rejected,
                rejected={"not_utf8": rejected} if rejected else {},
            ),
            Flow(
                stage="clean_corpus",
                partition=name,
                rows_in=raw - rejected,
                rows_out=clean,
                dropped={"length.too_short": short, "length.too_long": long, "exact_duplicates": copies},
                changed={"unicode": 12 * index, "whitespace": raw // 2, "mask": raw // 3},
            ),
            Flow(stage="shards", partition=name, rows_in=clean, rows_out=clean),
            Flow(stage="token_cache", partition=name, rows_in=clean, rows_out=clean),
        ]
    return flows


def text_report(model: float = 0.862, baseline: float | None = 0.831, rows: int = 3000, **changes: Any) -> Report:
    """Twelve classes of docstrings."""
    generator = np.random.default_rng(11)
    weights = np.linspace(1, 2.6, len(CLASSES))
    truth = generator.choice(len(CLASSES), rows, p=weights / weights.sum())
    texts = [SENTENCES[i % len(SENTENCES)].format(f"`value_{i % 97}`") for i in range(rows)]
    fitted = None
    if baseline is not None:
        cost = Cost(
            parameters=1_204_331,
            flops=6.1e8,
            flops_how="at most 4 x nonzeros x passes x classes",
            cpu_seconds=3.127,
            wall_seconds=3.2,
            peak_bytes=412_000_000,
            energy=estimate_energy(3.127, 3.2, 412_000_000),
        )
        fitted = Fitted("TF-IDF + linear SVM", predictions(truth, baseline, 2), cost)
    arguments: dict[str, Any] = {
        "subject": Subject(
            recipe="quickstart",
            description="Tells which library a docstring comes from, with the names of libraries masked. "
            "Meant to show the whole way from raw text to a judged model, not for use on its own.",
            task="text_classification",
            modality="text",
            model="Transformer encoder, 2 layers, width 128, 4 heads",
            seed=7,
            fingerprint="9f2c4e1a77d05b38c1e6f0a94d3b8e52",
            settings="satiety run quickstart",
        ),
        "classes": CLASSES,
        "test": TestRows([f"pkg/{i}" for i in range(rows)], texts, truth, predictions(truth, model, 1)),
        "balance": {
            "train": [int(w * 1200) for w in weights],
            "valid": [int(w * 150) for w in weights],
            "test": np.bincount(truth, minlength=len(CLASSES)).tolist(),
        },
        "flows": text_flows(),
        "history": history(),
        "inputs": [
            Origin(stage=stage, partition=name, digest=f"{abs(hash_of(stage + name)):032x}")
            for stage in ("clean_corpus", "token_cache")
            for name in CLASSES
        ],
        "model_cost": Cost(
            parameters=1_482_252,
            flops=3.42e12,
            flops_how="6 x parameters x tokens (Kaplan et al., 2020)",
            cpu_seconds=61.4,
            wall_seconds=35.2,
            peak_bytes=689_000_000,
            energy=Energy(joules=1480.5, method="measured", how="RAPL package counters of the whole machine"),
        ),
        "baseline": fitted,
    }
    return with_given(build_report, **(arguments | changes))


def hash_of(text: str) -> int:
    """A stable number that looks like a digest."""
    import hashlib

    return int(hashlib.md5(text.encode()).hexdigest(), 16)


def image_report() -> Report:
    """The digits of scikit-learn, judged by nobody in particular."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images * 15.9).astype(np.uint8)[..., None]
    test, train = slice(0, 180), slice(180, None)
    truth = digits.target[test].astype(np.int64)
    generator = np.random.default_rng(0)
    predicted = np.where(generator.random(180) < 0.94, truth, generator.integers(0, 10, 180))
    from ops.evaluation.baselines.pixel_svm import PixelSvm

    fitted = PixelSvm().fit_predict(images[train], digits.target[train], images[test])
    counts = np.bincount(digits.target[train], minlength=10)
    return with_given(
        build_report,
        subject=Subject(
            recipe="digits",
            description="Reads a handwritten digit from 8 x 8 pixels.",
            task="image_classification",
            modality="image",
            model="Vision Transformer, 2 layers, width 64, patches of 2 x 2",
            seed=7,
            fingerprint="52e8b3d49a0f6e1c38b5d0771a4e2c9f",
            settings="satiety run digits",
        ),
        classes=[str(i) for i in range(10)],
        test=TestRows([f"all/{i}" for i in range(180)], images[test], truth, predicted),
        balance={
            "train": [int(c) for c in counts],
            "valid": [int(c) // 9 for c in counts],
            "test": np.bincount(truth, minlength=10).tolist(),
        },
        flows=[
            Flow(stage="raw_corpus", rows_in=1797, rows_out=1797),
            Flow(stage="clean_corpus", rows_in=1797, rows_out=1797),
            Flow(stage="shards", rows_in=1797, added=2874, rows_out=4671),
            Flow(stage="token_cache", rows_in=4671, rows_out=4671),
        ],
        history=history(12),
        inputs=[Origin(stage="token_cache", partition="all", digest="3c9a51b7e0d24f68a1b2c3d4e5f60718")],
        model_cost=Cost(parameters=71_946, cpu_seconds=48.2, wall_seconds=27.0, peak_bytes=401_000_000),
        baseline=fitted,
    )
