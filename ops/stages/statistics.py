"""statistics: the fold that learns, from the training rows, what later stages need to know of the whole corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from ops.deduplication.hashing import HASH_BYTES, row_hashes
from ops.errors import BadData
from ops.fitting import FittedStep, fit_steps, training_rows
from ops.recipe import Recipe
from ops.stages.rows import row_statistics, row_task
from ops.stages.series import ordered_rows, series_statistics, series_task
from ops.stages.spec import Build, Input, Stage
from ops.stages.streams import stream_statistics
from ops.steps import Facts, apply_steps
from ops.storage import Version

SPLITS = ("train", "valid", "test")

SHAPED = ("image", "sound")
"""Modalities whose rows are arrays of bytes of one shape: pixels, or spectrograms."""


def _config(recipe: Recipe) -> dict[str, Any]:
    reads = recipe.task.modality != "text" or _fits(recipe)
    return {**recipe.part("task"), **(recipe.part("normalization", "seed") if reads else {})}


def _modules(recipe: Recipe) -> list[str]:
    modality = recipe.task.modality
    reads = modality != "text" or _fits(recipe)
    steps = [type(step).__module__ for step in recipe.normalization] if reads else []
    shaped = ["ops.normalization.image_statistics"] if modality in SHAPED else []
    return [*shaped, *([type(recipe.task).__module__] if modality == "table" else []), *steps]


def _fits(recipe: Recipe) -> bool:
    """Whether normalisation learns something from the training rows."""
    return any(isinstance(step, FittedStep) for step in recipe.normalization)


def fitted_normalization(build: Build) -> dict[str, Any]:
    """By `fit_key` what the fitted steps of normalisation learn from the training rows of the clean corpus."""
    recipe = build.recipe

    def load() -> Iterator[tuple[pl.DataFrame, Facts]]:
        for key, version in build.every("clean_corpus").items():
            yield version.parquet("data.parquet"), Facts(key, recipe.seed)

    return fit_steps(recipe.normalization, load, lambda rows, _: training_rows(rows), recipe.seed)


def _build(build: Build) -> None:
    form = build.recipe.task.form
    found = (_of_series if form == "series" else _of_streams if form == "stream" else _of_classes)(build)
    build.output.json("statistics.json", found)


def _of_streams(build: Build) -> dict[str, Any]:
    """Texts and characters of each split, and content that splits share."""
    column = build.recipe.task.input
    tables = [v.parquet("data.parquet", [column, "split"]) for v in build.every("clean_corpus").values()]
    fitted = {"fitted": fitted_normalization(build)} if _fits(build.recipe) else {}
    return stream_statistics(tables, column) | fitted


def _of_series(build: Build) -> dict[str, Any]:
    """Rows of each split, moments that occur in train and elsewhere, and what the model needs to know of numbers."""
    task = series_task(build.recipe)
    fitted = fitted_normalization(build) if _fits(build.recipe) else None
    moments: dict[str, list[pl.Series]] = {split: [] for split in SPLITS}

    def rows() -> Iterator[pl.DataFrame]:
        for key, version in build.every("clean_corpus").items():
            names = dict.fromkeys(["id", task.input, task.label, *task.features, "split"])
            ordered = ordered_rows(version.parquet("data.parquet", list(names)), task).kept
            for split in SPLITS:
                moments[split].append(ordered.filter(pl.col("split") == split)[task.input])
            facts = Facts(key, build.recipe.seed, fitted=fitted)
            yield apply_steps(ordered, build.recipe.normalization, facts).kept

    series = series_statistics(rows(), task)
    every = {split: pl.concat(found) for split, found in moments.items()}
    for split, seen in every.items():
        if seen.is_empty():
            rows_left = any(len(other) for other in every.values())
            hint = "move the days at which splits begin, or add data" if rows_left else _where_rows_went(build)
            raise BadData(f"the {split} split has no row", hint=hint)
    found: dict[str, Any] = {"rows": {split: len(seen) for split, seen in every.items()}, "series": series}
    found["shared_with_train"] = {s: int(every[s].is_in(every["train"].implode()).sum()) for s in SPLITS[1:]}
    return found | ({"fitted": fitted} if fitted is not None else {})


def _of_classes(build: Build) -> dict[str, Any]:
    """Classes and their counts, content that splits share, and what the model needs to know of pixels or numbers."""
    task, known_by = build.recipe.task, build.recipe.known_by
    counts: list[pl.DataFrame] = []
    contents: dict[str, list[np.ndarray[Any, np.dtype[np.uint8]]]] = {split: [] for split in SPLITS}
    for version in build.every("clean_corpus").values():
        names = list(dict.fromkeys([*known_by, task.label, "split"]))
        table = version.parquet("data.parquet", names)
        label = pl.col(task.label).cast(pl.String).alias("label")
        counts.append(table.group_by(label, "split").agg(pl.len().alias("rows")))
        for split in SPLITS:
            contents[split].append(row_hashes(table.filter(pl.col("split") == split), known_by, "alphanumeric"))
    total = pl.concat(counts).group_by("label", "split").agg(pl.col("rows").sum()).sort("label", "split")
    # A class that training never sees cannot be learned: its rows in valid and test are dropped by the shards.
    classes = total.filter(pl.col("split") == "train")["label"].drop_nulls().unique().sort().to_list()
    if len(classes) < 2:
        left = f"all training rows are of class {classes[0]!r}" if classes else "no training rows are left"
        raise BadData(f"{left}; a classifier needs two classes", hint=_where_rows_went(build))
    rows = {split: _by_label(total.filter(pl.col("split") == split)) for split in SPLITS}
    _check_rows(rows, classes)
    found: dict[str, Any] = {
        "classes": classes,
        "counts": rows,
        "shared_with_train": {s: _shared(contents[s], contents["train"]) for s in SPLITS[1:]},
    }
    if task.modality in SHAPED:
        found[task.modality] = _pixels(build)
    if _fits(build.recipe):
        found["fitted"] = fitted_normalization(build)
    if task.form == "row":
        found["row"] = _numbers(build, found.get("fitted"))
    return found


def _where_rows_went(build: Build) -> str:
    """Which stage took how many rows out, and the command that shows them."""
    name = build.recipe.name
    counts = [version.manifest.counts for version in build.every("clean_corpus").values()]
    came = sum(found.rows_in for found in counts if found is not None)
    if not came:
        return f"the source has no rows, or all were rejected; `satiety peek {name}/raw_corpus` shows the rejects"
    dropped: Counter[str] = Counter()
    for found in counts:
        dropped.update(found.dropped if found is not None else {})
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in dropped.most_common(3))
    said = f"cleaning dropped {dropped.total():,} of {came:,} rows" + (f": {reasons}" if reasons else "")
    return f"{said}; `satiety peek {name}/clean_corpus` shows them, {name}/raw_corpus the rejects"


def _numbers(build: Build, fitted: dict[str, Any] | None) -> dict[str, Any]:
    """Means, deviations and known categories of the training rows, as the shards will hold them."""
    recipe, task = build.recipe, row_task(build.recipe)

    def rows() -> Iterator[pl.DataFrame]:
        for key, version in build.every("clean_corpus").items():
            table = version.parquet("data.parquet", list(dict.fromkeys(["id", *task.reads, task.label, "split"])))
            labelled = table.filter(pl.col(task.label).is_not_null())
            yield apply_steps(labelled, recipe.normalization, Facts(key, recipe.seed, fitted=fitted)).kept

    return row_statistics(rows(), task)


def _pixels(build: Build) -> dict[str, Any]:
    """Shape, and mean and deviation of each channel over the training images, as the shards will hold them."""
    from ops.normalization.image_statistics import PixelMoments

    recipe = build.recipe
    moments = PixelMoments(recipe.task.input)
    for key, version in build.every("clean_corpus").items():
        table = version.parquet("data.parquet", ["id", recipe.task.input, "split"])
        train = table.filter(pl.col("split") == "train")
        moments.update(apply_steps(train, recipe.normalization, Facts(key, recipe.seed)).kept)
    return moments.result()


def _check_rows(rows: dict[str, dict[str, int]], classes: list[str]) -> None:
    """Raise BadData where a split has nothing to judge on: better now than when the model has been trained."""
    for split, counts in rows.items():
        if not any(counts.get(name) for name in classes):
            raise BadData(f"the {split} split has no row of a known class", hint="raise its share, or add data")


def _by_label(counts: pl.DataFrame) -> dict[str, int]:
    return dict(counts.drop_nulls("label").select("label", "rows").iter_rows())


def _shared(rows: list[np.ndarray[Any, np.dtype[np.uint8]]], train: list[np.ndarray[Any, np.dtype[np.uint8]]]) -> int:
    """How many rows have the content of a training row."""
    # One opaque 16-byte value per row, so that whole hashes are compared.
    hashes, known = (np.concatenate(part).copy().view(f"V{HASH_BYTES}").ravel() for part in (rows, train))
    return int(np.isin(hashes, np.unique(known)).sum())


def _refusal(version: Version) -> str:
    rows = sum(version.json("statistics.json")["shared_with_train"].values())
    return f"{rows} rows of valid or test have the content of a training row" if rows else ""


STATISTICS = Stage(
    name="statistics",
    description="What the training rows say of the whole corpus: classes and counts, content shared by splits, means.",
    partitioned=False,
    inputs=(Input("clean_corpus", every=True),),
    config=_config,
    keys=("task", "normalization", "seed"),
    build=_build,
    modules=_modules,
    refusal=_refusal,
)
