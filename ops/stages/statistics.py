"""statistics: the fold that learns, from the training rows, what later stages need to know of the whole corpus."""

from __future__ import annotations

from typing import Any

import polars as pl

from ops.errors import BadData
from ops.recipe import Recipe
from ops.stages.spec import Build, Input, Stage
from ops.steps import Facts, apply_steps


def _config(recipe: Recipe) -> dict[str, Any]:
    pixels = recipe.part("normalization") if recipe.task.modality == "image" else {}
    return {**recipe.part("task"), **pixels}


def _modules(recipe: Recipe) -> list[str]:
    if recipe.task.modality != "image":
        return []
    return ["ops.normalization.image_statistics", *(type(step).__module__ for step in recipe.normalization)]


def _build(build: Build) -> None:
    recipe = build.recipe
    counts = pl.concat([_label_counts(v.parquet("data.parquet", [recipe.task.label, "split"]), recipe.task.label)
                        for v in build.every("clean_corpus").values()])
    counts = counts.group_by("label", "split").agg(pl.col("rows").sum()).sort("label", "split")
    # A class that training never sees cannot be learned: its rows in valid and test are dropped by the shards.
    classes = counts.filter(pl.col("split") == "train")["label"].unique().drop_nulls().sort().to_list()
    if len(classes) < 2:
        raise BadData(f"the training rows have {len(classes)} classes; a classifier needs two", hint="see clean_corpus")
    found: dict[str, Any] = {
        "classes": classes,
        "counts": {
            split: dict(counts.filter(pl.col("split") == split).select("label", "rows").iter_rows())
            for split in ("train", "valid", "test")
        },
    }
    if recipe.task.modality == "image":
        found["pixels"] = _pixels(build)
    build.output.json("statistics.json", found)


def _label_counts(table: pl.DataFrame, label: str) -> pl.DataFrame:
    return table.group_by(pl.col(label).cast(pl.String).alias("label"), "split").agg(pl.len().alias("rows"))


def _pixels(build: Build) -> dict[str, list[float]]:
    """Mean and deviation of each channel over the training images, in units of the full scale (0 to 1)."""
    from ops.normalization.image_statistics import PixelMoments

    recipe = build.recipe
    moments = PixelMoments()
    for key, version in build.every("clean_corpus").items():
        table = version.parquet("data.parquet", ["id", recipe.task.input, "split"])
        images = apply_steps(table.filter(pl.col("split") == "train"), recipe.normalization, Facts(key, recipe.seed))
        moments.update(images.kept)
    return moments.result()


STATISTICS = Stage(
    name="statistics",
    description="What the training rows say of the whole corpus: classes and their counts, means and deviations.",
    partitioned=False,
    inputs=(Input("clean_corpus", every=True),),
    config=_config,
    build=_build,
    modules=_modules,
)
