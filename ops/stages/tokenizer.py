"""tokenizer: the vocabulary, learned from the training rows of all shards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from ops.recipe import Recipe
from ops.stages.spec import Build, Input, Stage


def _config(recipe: Recipe) -> dict[str, Any]:
    return {**recipe.part("tokenizer"), "input": recipe.task.input}


def _build(build: Build) -> None:
    recipe = build.recipe
    column = recipe.task.input

    def texts() -> Iterator[str]:
        for version in build.every("shards").values():
            table = version.parquet("data.parquet", [column, "split"])
            yield from table.filter(pl.col("split") == "train")[column].drop_nulls()

    vocabulary = recipe.tokenizer.train(texts())
    build.output.text("tokenizer.json", vocabulary)
    build.output.facts({"vocabulary": recipe.tokenizer.size(vocabulary)})


TOKENIZER = Stage(
    name="tokenizer",
    description="The vocabulary, learned from the training rows only.",
    partitioned=False,
    inputs=(Input("shards", every=True),),
    config=_config,
    keys=("tokenizer", "task"),
    build=_build,
    modules=lambda recipe: [type(recipe.tokenizer).__module__],
)
