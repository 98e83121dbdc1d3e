"""token_cache: what the model reads, packed into one memory map: token numbers, or pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from ops.recipe import Recipe
from ops.stages.spec import Build, Input, Stage
from ops.stages.tokenizer import tokenizer_of
from ops.storage import Counts

_CHUNK = 8192  # rows encoded at once: bounds memory, large enough that calls cost nothing


def _config(recipe: Recipe) -> dict[str, Any]:
    return {**recipe.part("tokenizer"), "task": recipe.task.kind, "input": recipe.task.input}


def _modules(recipe: Recipe) -> list[str]:
    return [type(recipe.tokenizer).__module__] if recipe.tokenizer is not None else []


def _build(build: Build) -> Counts:
    table = build.one("shards").parquet("data.parquet")
    lengths = _pack_tokens(build, table) if build.recipe.tokenizer is not None else _pack_pixels(build, table)
    offsets = np.cumsum(lengths, dtype=np.int64) - lengths
    index = table.select(
        "id",
        pl.Series("offset", offsets, pl.Int64),
        pl.Series("length", lengths, pl.Int32),
        pl.col("label").cast(pl.Int32),
        "split",
        "copy",
    )
    build.output.parquet("index.parquet", index)
    build.output.facts({"elements": int(lengths.sum()), "longest": int(lengths.max(initial=0))})
    return Counts(rows_in=table.height, rows_out=table.height)


def _pack_tokens(build: Build, table: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Write the token numbers of all rows one behind the other; returns each row's number of tokens."""
    tokenizer, texts = tokenizer_of(build.recipe), table[build.recipe.task.input]
    encoder = tokenizer.encoder(build.one("tokenizer").file("tokenizer.json").read_text(encoding="utf-8"))
    lengths: list[np.ndarray[Any, np.dtype[np.int64]]] = []
    with build.output.array("data.bin") as data:
        for start in range(0, table.height, _CHUNK):
            tokens, row_lengths = encoder.encode(texts[start : start + _CHUNK].to_list())
            data.write(tokens)
            lengths.append(row_lengths.astype(np.int64))
    return np.concatenate(lengths) if lengths else np.zeros(0, np.int64)


def _pack_pixels(build: Build, table: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Write the raw pixels of all rows one behind the other; returns each row's number of bytes."""
    images = table[build.recipe.task.input]
    with build.output.array("data.bin") as data:
        for start in range(0, table.height, _CHUNK):
            data.write(np.frombuffer(b"".join(images[start : start + _CHUNK].to_list()), np.uint8))
    return images.bin.size().cast(pl.Int64).to_numpy()


def token_cache_stage(vocabulary: bool) -> Stage:
    """The stage, with the tokenizer as an input where the recipe has one."""
    return Stage(
        name="token_cache",
        description="Token numbers or pixels of all rows in one memory map, and where each row lies in it.",
        partitioned=True,
        inputs=(Input("shards"), *((Input("tokenizer"),) if vocabulary else ())),
        config=_config,
        keys=("tokenizer", "task"),
        build=_build,
        modules=_modules,
    )
