"""token_cache: what the model reads, packed into one memory map: tokens, pixels, spectrograms, or rows of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ops.augmentation.bpe_dropout import DROPOUT_RATE, DROPOUT_SEED
from ops.recipe import Recipe
from ops.stages.cached import write_index
from ops.stages.originals import pack_originals
from ops.stages.rows import row_task, row_values
from ops.stages.series import SPLITS, series_task, step_values, windows
from ops.stages.spec import Build, Input, Stage
from ops.stages.streams import stream_task, stream_windows
from ops.stages.tokenizer import tokenizer_of
from ops.storage import Counts
from ops.tokenization.marked import encoded

if TYPE_CHECKING:
    from ops.tokenization.base import Tokens

_CHUNK = 8192  # rows encoded at once: bounds memory, large enough that calls cost nothing


def _config(recipe: Recipe) -> dict[str, Any]:
    # Where rows are texts or images on their own, of the task only these two matter.
    if recipe.task.form in ("series", "stream"):
        return recipe.part("tokenizer", "task")
    return {**recipe.part("tokenizer"), "task": recipe.task.kind, "input": recipe.task.input}


def _modules(recipe: Recipe) -> list[str]:
    task = [type(recipe.task).__module__] if recipe.task.form in ("series", "stream") else []
    return [*([type(recipe.tokenizer).__module__] if recipe.tokenizer is not None else []), *task]


def _build(build: Build) -> Counts:
    form = build.recipe.task.form
    return (_pack_series if form == "series" else _pack_stream if form == "stream" else _pack_rows)(build)


def _pack_stream(build: Build) -> Counts:
    """Write the texts one behind the other, those of each split together, and where in them each window lies."""
    task = stream_task(build.recipe)
    order = pl.col("split").replace_strict(list(SPLITS), list(range(len(SPLITS))), return_dtype=pl.Int64)
    table = build.one("shards").parquet("data.parquet").with_columns(order.alias("__split")).sort("__split")
    lengths, splits = _pack_tokens(build, table), table["__split"].to_numpy()
    found = stream_windows(lengths, task.context, splits if task.across else None)
    rows = table.select("id", "split")[found.text]
    index = rows.with_columns(
        pl.Series("offset", found.offset, pl.Int64),
        pl.Series("length", found.length, pl.Int32),
        pl.lit(0, pl.Int32).alias("copy"),
    ).select("id", "offset", "length", "split", "copy")
    write_index(build.output, index)
    longest = max(int(found.length.max(initial=1)) - 1, 1)
    build.output.facts({"elements": int(lengths.sum()), "longest": longest, "windows": index.height})
    # A text of one token more than fits is not told from one that was cut: both are named.
    full = int((lengths == tokenizer_of(build.recipe).max_length).sum())
    empty = 0 if task.across else int((lengths < 2).sum())
    return Counts(
        rows_in=table.height,
        rows_out=table.height - empty,
        dropped={"window.empty": empty} if empty else {},
        changed={"tokenizer.max_length": full} if full else {},
    )


def _pack_series(build: Build) -> Counts:
    """Write each row once, and where in them each example lies: examples overlap."""
    task = series_task(build.recipe)
    table = build.one("shards").parquet("data.parquet")
    values, found = step_values(table, task), windows(table, task)
    width = values.shape[1]
    with build.output.array("data.bin") as data:
        data.write(values.astype("<f4").ravel())
    labels = found.labels.reshape(len(found.last), 2 * task.horizon)
    index = pl.DataFrame(
        {
            "id": table["id"].gather(pl.Series(found.last)),
            "offset": pl.Series((found.last - task.history + 1) * width, dtype=pl.Int64),
            "length": pl.Series(np.full(len(found.last), task.history * width), dtype=pl.Int32),
            "label": pl.Series(labels, dtype=pl.Array(pl.Float32, 2 * task.horizon)),
            "split": pl.Series([SPLITS[n] for n in found.split.tolist()], dtype=pl.String),
            "copy": pl.Series(np.zeros(len(found.last)), dtype=pl.Int32),
        }
    )
    write_index(build.output, index)
    longest = task.history * width if index.height else 0
    build.output.facts({"elements": int(values.size), "longest": longest})
    dropped = {f"window.{reason}": rows for reason, rows in found.incomplete.items()}
    return Counts(rows_in=table.height, rows_out=index.height, dropped=dropped)


def _pack_rows(build: Build) -> Counts:
    table = build.one("shards").parquet("data.parquet")
    lengths = _packer(build.recipe)(build, table)
    offsets = np.cumsum(lengths, dtype=np.int64) - lengths
    index = table.select(
        "id",
        pl.Series("offset", offsets, pl.Int64),
        pl.Series("length", lengths, pl.Int32),
        pl.col("label").cast(pl.Int32),
        "split",
        "copy",
    )
    write_index(build.output, index.hstack(pack_originals(build, table)))
    build.output.facts({"elements": int(lengths.sum()), "longest": int(lengths.max(initial=0))})
    return Counts(rows_in=table.height, rows_out=table.height)


def _packer(recipe: Recipe) -> Callable[[Build, pl.DataFrame], np.ndarray[Any, np.dtype[np.int64]]]:
    if recipe.tokenizer is not None:
        return _pack_tokens
    return _pack_numbers if recipe.task.form == "row" else _pack_bytes


def _pack_tokens(build: Build, table: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Write the token numbers of all rows one behind the other; returns each row's number of tokens."""
    encode = _encoder(build, table)
    lengths: list[np.ndarray[Any, np.dtype[np.int64]]] = []
    with build.output.array("data.bin") as data:
        for start in range(0, table.height, _CHUNK):
            tokens, row_lengths = encode(start)
            data.write(tokens)
            lengths.append(row_lengths.astype(np.int64))
    return np.concatenate(lengths) if lengths else np.zeros(0, np.int64)


def _encoder(build: Build, table: pl.DataFrame) -> Callable[[int], tuple[Tokens, np.ndarray[Any, np.dtype[np.int32]]]]:
    """What encodes a chunk of rows by its first; copies that `bpe_dropout` marks are encoded with merges left out."""
    tokenizer, texts = tokenizer_of(build.recipe), table[build.recipe.task.input]
    model = build.one("tokenizer").file("tokenizer.json").read_text(encoding="utf-8")
    encoder = tokenizer.encoder(model)

    def encode(start: int) -> tuple[Tokens, np.ndarray[Any, np.dtype[np.int32]]]:
        return encoder.encode(texts[start : start + _CHUNK].to_list())

    if DROPOUT_RATE not in table.columns:
        return encode
    dropping, marks = tokenizer.dropout_encoder(model), table.select(DROPOUT_SEED, DROPOUT_RATE)

    def encode_with_copies(start: int) -> tuple[Tokens, np.ndarray[Any, np.dtype[np.int32]]]:
        marked = marks[start : start + _CHUNK]
        seeds, rates = (marked[name].to_numpy() for name in (DROPOUT_SEED, DROPOUT_RATE))
        return encoded(encoder, dropping, texts[start : start + _CHUNK].to_list(), seeds, rates)

    return encode_with_copies


def _pack_numbers(build: Build, table: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Write the numbers of all rows one behind the other; returns how many each row has."""
    values = row_values(table, row_task(build.recipe))
    with build.output.array("data.bin") as data:
        data.write(values.astype("<f4").ravel())
    return np.full(len(values), values.shape[1], np.int64)


def _pack_bytes(build: Build, table: pl.DataFrame) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Write the pixels or spectrograms of all rows one behind the other; returns each row's number of bytes."""
    images = table[build.recipe.task.input]
    with build.output.array("data.bin") as data:
        for start in range(0, table.height, _CHUNK):
            data.write(np.frombuffer(b"".join(images[start : start + _CHUNK].to_list()), np.uint8))
    return images.bin.size().cast(pl.Int64).to_numpy()


def token_cache_stage(vocabulary: bool) -> Stage:
    """The stage, with the tokenizer as an input where the recipe has one."""
    return Stage(
        name="token_cache",
        description="What the model reads of all rows in one memory map, and where each example lies in it.",
        partitioned=True,
        inputs=(Input("shards"), *((Input("tokenizer"),) if vocabulary else ())),
        config=_config,
        keys=("tokenizer", "task"),
        build=_build,
        modules=_modules,
    )
