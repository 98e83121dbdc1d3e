"""tokenizer: the vocabulary, learned from the training rows of all shards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from ops.recipe import Recipe
from ops.stages.spec import Build, Input, Stage
from ops.tokenization.base import Tokenizer


def _config(recipe: Recipe) -> dict[str, Any]:
    return {**recipe.part("tokenizer"), "input": recipe.task.input}


def tokenizer_of(recipe: Recipe) -> Tokenizer:
    """The recipe's tokenizer; only recipes with one have this stage."""
    if recipe.tokenizer is None:
        raise TypeError("a recipe without a tokenizer has no vocabulary")
    return recipe.tokenizer


def _build(build: Build) -> None:
    tokenizer, column = tokenizer_of(build.recipe), build.recipe.task.input

    def texts() -> Iterator[str]:
        for version in build.every("shards").values():
            table = version.parquet("data.parquet", [column, "split"])
            yield from table.filter(pl.col("split") == "train")[column].drop_nulls()

    vocabulary = tokenizer.train(texts())
    build.output.text("tokenizer.json", vocabulary)
    build.output.facts({"vocabulary": tokenizer.size(vocabulary), "pad": tokenizer.pad})


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
