"""The rows of a report: as a baseline reads them, and as a person is shown them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ops.columns import in_words
from ops.evaluation.baselines.base import Table
from ops.evaluation.pictures import spectrogram
from ops.stages.rows import names_of, row_task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.evaluation.baselines.base import Rows
    from ops.recipe import Recipe


def read_rows(rows: pl.DataFrame, recipe: Recipe, statistics: Mapping[str, Any]) -> Rows | Table:
    """Rows of the shards for a baseline.

    Returns:
        Texts as a list; images as uint8 of shape (rows, height, width, channels), spectrograms of shape (rows, frames,
        mels); rows of a table as numbers.
    """
    form = recipe.task.form
    if form == "row":
        task = row_task(recipe)
        sizes = tuple(1 + len(statistics["row"]["categories"][name]) for name in task.categories)
        return Table(_matrix(rows, task.features, np.float64), _matrix(rows, task.categories, np.int64), sizes)
    if form == "image":
        return _arrays(rows, recipe.task.input)
    if form == "sound":
        sounds = _arrays(rows, recipe.task.input)
        return sounds.reshape(len(sounds), sounds.shape[1], -1)
    return rows[recipe.task.input].to_list()


def shown_rows(rows: pl.DataFrame, recipe: Recipe, statistics: Mapping[str, Any]) -> Rows:
    """Rows of the shards for a reader: texts, images, spectrograms as images, rows of a table in words."""
    if recipe.task.form == "row":
        task = row_task(recipe)
        named = names_of(rows, task, statistics["row"])
        rounded = named.with_columns(pl.col(task.features).round_sig_figs(6))
        return rounded.select(in_words(task.reads).alias("said"))["said"].to_list()
    read = read_rows(rows, recipe, statistics)
    assert not isinstance(read, Table)
    return spectrogram(np.asarray(read)) if recipe.task.form == "sound" else read


def _arrays(rows: pl.DataFrame, column: str) -> NDArray[np.uint8]:
    shape = rows.select("height", "width", "channels").row(0)
    return np.frombuffer(b"".join(rows[column].to_list()), np.uint8).reshape(-1, *shape)


def _matrix(rows: pl.DataFrame, columns: list[str], dtype: Any) -> NDArray[Any]:
    return rows.select(columns).to_numpy().reshape(rows.height, len(columns)).astype(dtype)
