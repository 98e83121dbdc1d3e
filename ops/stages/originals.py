"""What changes on the fly read of training rows where the model reads something else, in shards and token caches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ops.augmentation.forms import FORM, LENGTH, OFFSET, ORIGINAL, ORIGINALS, Form, SoundForm, TextForm

if TYPE_CHECKING:
    from ops.recipe import Recipe
    from ops.stages.spec import Build
    from ops.storage import Version

_CHUNK = 8192  # rows written at once


def late(recipe: Recipe) -> bool:
    """Whether training rows are changed on the fly."""
    # A field and no method: the code of augmentation is a stage's business only if it is so.
    return recipe.augmentation is not None and recipe.augmentation.mode == "on_the_fly"


def beside(shard: pl.DataFrame, values: Sequence[bytes]) -> pl.DataFrame:
    """The shard with the originals of its training rows, in their order."""
    rest = iter(values)
    column = [next(rest) if split == "train" else None for split in shard["split"]]
    return shard.with_columns(pl.Series(ORIGINAL, column, dtype=pl.Binary))


def sound_form(recipe: Recipe) -> SoundForm:
    """How the recipe makes spectrograms of samples."""
    steps: dict[str, Any] = {step.kind: step for step in recipe.normalization}
    rate, mel = steps["waveform"].rate, steps["log_mel"]
    high = mel.high or rate / 2
    return SoundForm(rate=rate, window=mel.window, hop=mel.hop, mels=mel.mels, low=mel.low, high=high)


def write_form(build: Build, form: Form) -> None:
    """Keep the form beside the rows."""
    build.output.json(FORM, form.model_dump(mode="json"))


def form_of(version: Version) -> dict[str, Any] | None:
    """The form that a stage has kept; None where changes read what the model reads, or there are none."""
    return dict(version.json(FORM)) if version.manifest.entry(FORM) is not None else None


def pack_originals(build: Build, table: pl.DataFrame) -> pl.DataFrame:
    """Write what changes read of training rows one behind the other, if they do; returns where each one is.

    Returns:
        Columns of the index, null for rows that are not trained on; none where changes read what the model reads.
    """
    form, recipe = form_of(build.one("shards")), build.recipe
    if form is None:
        return pl.DataFrame()
    if form["kind"] == "text":
        form = TextForm(**recipe.part("tokenizer")).model_dump(mode="json")
    build.output.json(FORM, form)
    column = pl.col(ORIGINAL if ORIGINAL in table.columns else recipe.task.input).cast(pl.Binary)
    values = table.select(pl.when(pl.col("split") == "train").then(column)).to_series()
    with build.output.array(ORIGINALS) as data:
        for start in range(0, len(values), _CHUNK):
            found = values[start : start + _CHUNK].drop_nulls().to_list()
            data.write(np.frombuffer(b"".join(found), np.uint8))
    lengths = values.bin.size().cast(pl.Int64)
    offsets = lengths.fill_null(0).cum_sum() - lengths
    return pl.DataFrame({OFFSET: offsets, LENGTH: lengths})
