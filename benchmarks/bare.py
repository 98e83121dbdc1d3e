"""The bare computation of a text recipe: the same functions one after the other, in one process.

No store, no Dagster, no torchrun, no MLflow, no second process: what is left is what the pipeline cannot do without.
The token caches, which training reads, are written as plain files.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ops.recipe import Recipe
from ops.steps import Facts, apply_steps
from ops.tokenization.base import Tokenizer

Shards = dict[str, pl.DataFrame]


def main(name: str, folder: Path) -> None:
    """Compute everything from source to report."""
    from pipelines.recipe import load

    recipe = load(name).recipe
    if recipe.tokenizer is None:
        raise SystemExit(f"{name} is no recipe for text")
    shards, classes = data(recipe)
    encoded, vocabulary = tokens(recipe, recipe.tokenizer, shards, folder)
    spec = {"kind": "text", "vocabulary": vocabulary, "max_length": recipe.tokenizer.max_length, "pad": 0}
    train(recipe, encoded, spec, classes, folder)
    judge(recipe, shards, encoded, classes, folder)


def data(recipe: Recipe) -> tuple[Shards, list[str]]:
    """Read, clean, deduplicate, split and normalise."""
    task = recipe.task
    ((position, step),) = recipe.deduplication.items()
    raw: Shards = {}
    signatures = []
    natural = recipe.partitions.by is not None
    for key in recipe.partition_keys() if natural else ["all"]:
        table = pl.concat([b.table for b in recipe.source.read(key if natural else None)], how="diagonal")
        raw[key] = table.select(pl.format("{}/{}", pl.lit(key), pl.int_range(pl.len())).alias("id"), pl.all())
        before = apply_steps(raw[key], recipe.cleaning[:position], Facts(key, recipe.seed))
        signatures.append(step.signatures(before.kept))
    repeats = step.fold(pl.concat(signatures))
    clean: Shards = {}
    for key, table in raw.items():
        kept = apply_steps(table, recipe.cleaning, Facts(key, recipe.seed, duplicates={step.key: repeats})).kept
        clean[key] = recipe.split.assign(kept, recipe.known_by)
    everything = pl.concat(list(clean.values()), how="diagonal")
    classes = everything.filter(pl.col("split") == "train")[task.label].unique().sort().to_list()
    shards = {}
    for key, table in clean.items():
        normal = apply_steps(table, recipe.normalization, Facts(key, recipe.seed)).kept
        number = pl.col(task.label).replace_strict(classes, range(len(classes)), default=None, return_dtype=pl.Int32)
        shards[key] = normal.select("id", task.input, number.alias("label"), "split").drop_nulls("label")
    return shards, classes


def tokens(recipe: Recipe, tokenizer: Tokenizer, shards: Shards, folder: Path) -> tuple[list[dict[str, Any]], int]:
    """Learn the vocabulary and write the token caches; returns what the run file says of them."""
    from ops.storage import sha256_file

    column = recipe.task.input
    train = (table.filter(pl.col("split") == "train")[column] for table in shards.values())
    trained = tokenizer.train(text for texts in train for text in texts)
    encoder = tokenizer.encoder(trained)
    found = []
    for number, (key, table) in enumerate(shards.items()):
        place = folder / str(number)
        place.mkdir(parents=True)
        values, lengths = encoder.encode(table[column].to_list())
        values.tofile(place / "data.bin")
        offsets = np.cumsum(lengths, dtype=np.int64) - lengths
        split = pl.col("split").cast(pl.Enum(["train", "valid", "test"]))
        index = table.select("label", split, pl.Series("offset", offsets), pl.Series("length", lengths))
        index = index.with_columns(pl.lit(0, pl.Int32).alias("copy"))
        index.write_ipc(place / "index.arrow", compat_level=pl.CompatLevel.oldest())
        files = {name: sha256_file(place / name) for name in ("data.bin", "index.arrow")}
        found.append({"partition": key, "path": str(place), "files": files})
    return found, tokenizer.size(trained)


def train(recipe: Recipe, caches: list[dict[str, Any]], spec: dict[str, Any], classes: list[str], folder: Path) -> None:
    """Train in this process."""
    from ops.training.worker import main as work

    run = {
        **recipe.part("task", "model", "training", "seed"),
        "classes": classes,
        "inputs": caches,
        "input": spec,
        "work": str(folder / "work"),
    }
    (folder / "work").mkdir()
    (folder / "run.json").write_text(json.dumps(run))
    if code := work([str(folder / "run.json")]):
        raise SystemExit(code)


def judge(recipe: Recipe, shards: Shards, caches: list[dict[str, Any]], classes: list[str], folder: Path) -> None:
    """Predict the test split, fit the baseline, resample, and render the report."""
    from ops.evaluation.cost import Cost
    from ops.evaluation.given import Given
    from ops.evaluation.html import render
    from ops.evaluation.report import TestRows, build_report
    from ops.evaluation.schema import Subject
    from ops.training.data import load_examples
    from ops.training.evaluate import predict
    from ops.training.result import load_model
    from ops.training.run import CacheInput

    result = folder / "work" / "result"
    trained = load_model(json.loads((result / "model.json").read_text()), (result / "model.safetensors").read_bytes())
    inputs = [CacheInput(**cache) for cache in caches]
    examples = load_examples(inputs, trained.spec.dtype, len(classes))["test"]
    predicted = predict(trained.network, trained.task, trained.spec, examples).argmax(axis=1)
    rows = pl.concat(list(shards.values()))
    fit, test = (rows.filter(pl.col("split") == split) for split in ("train", "test"))
    column = recipe.task.input
    texts, labels = fit[column].to_list(), fit["label"].to_numpy()
    baseline = recipe.evaluation.baseline.fit_predict(texts, labels, test[column].to_list())
    subject = Subject(
        recipe=recipe.name,
        description=recipe.description,
        task=recipe.task.kind,
        modality="text",
        model=recipe.model.kind,
        seed=recipe.seed,
        fingerprint="",
        settings="",
    )
    truth = test["label"].to_numpy().astype(np.int64)
    given = Given(
        subject=subject,
        flows=[],
        history=[json.loads(line) for line in (result / "history.jsonl").read_text().splitlines()],
        inputs=[],
        model_cost=Cost(),
        baseline=baseline,
        resamples=recipe.evaluation.bootstrap,
    )
    report = build_report(
        given,
        classes=classes,
        test=TestRows(test["id"].to_list(), test[column].to_list(), truth, predicted),
        balance={"train": np.bincount(labels, minlength=len(classes)).tolist()},
    )
    (folder / "report.html").write_text(render(report))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
