"""Copies for the contact sheet where none are stored: those that training sees in its first epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter

from ops.augmentation.forms import FORM, ORIGINAL, Form
from ops.nn.spec import RowSpec, SoundSpec, Spec
from ops.training.changing.base import Changing, changing_of
from ops.training.run import Changes

if TYPE_CHECKING:
    import polars as pl

    from ops.augmentation.config import Augmentation
    from ops.recipe import Recipe
    from ops.storage import Version

COPIES = 4
"""Copies of each row that are shown, at most."""

Copying = Callable[["pl.DataFrame"], "pl.DataFrame"]
"""Makes some training rows into rows and copies."""


def copying_of(recipe: Recipe, shards: Mapping[str, Version], column: str) -> Copying:
    """What makes the copies of a recipe's rows on the fly."""
    augmentation = recipe.augmentation
    if augmentation is None:
        raise TypeError("a recipe without augmentation has no copies")
    # Before a search has ended the strength is not known: the changes are shown at their full one.
    known = augmentation.at(1.0) if augmentation.strength == "auto" else augmentation.settled()
    if recipe.task.form == "row":
        return lambda rows: _of_numbers(rows, known, shards, recipe)
    if recipe.task.form == "sound":
        return lambda rows: _of_sounds(rows, known, shards, recipe, column)

    def copied(rows: pl.DataFrame) -> pl.DataFrame:
        from ops.steps import Facts

        offline = known.model_copy(update={"mode": "offline", "copies": COPIES})
        return offline.apply(rows, Facts("all", recipe.seed), column).kept

    return copied


def _of_sounds(
    rows: pl.DataFrame, augmentation: Augmentation, shards: Mapping[str, Version], recipe: Recipe, column: str
) -> pl.DataFrame:
    """Spectrograms and their copies."""
    import polars as pl

    spec = SoundSpec(frames=rows["height"][0], mels=rows["channels"][0])
    changing = _changing(augmentation, shards, spec, recipe)
    read = ORIGINAL if changing.changes.form is not None else column
    parts = [rows]
    for number in range(1, COPIES + 1):
        values, _ = changing([np.frombuffer(data, np.uint8) for data in rows[read]], rows["id"].to_list(), number - 1)
        changed = pl.Series(column, [value.tobytes() for value in values], dtype=pl.Binary)
        parts.append(rows.with_columns(changed, _named(number)))
    return pl.concat(parts)


def _of_numbers(
    rows: pl.DataFrame, augmentation: Augmentation, shards: Mapping[str, Version], recipe: Recipe
) -> pl.DataFrame:
    """Rows and their copies, in the 32 bits that the model reads."""
    import polars as pl

    columns = recipe.task.reads
    changing = _changing(augmentation, shards, RowSpec(numbers=len(columns)), recipe)
    given = [np.frombuffer(data, np.uint8) for data in rows[ORIGINAL]]
    plain = np.stack(given).view("<f8")[:, : len(columns)].astype(np.float32)
    made = [plain, *(changing(given, rows["id"].to_list(), number)[0] for number in range(COPIES))]
    names = [pl.col("id"), *(_named(number) for number in range(1, COPIES + 1))]
    return pl.concat(
        rows.select(name).hstack([pl.Series(column, values[:, place]) for place, column in enumerate(columns)])
        for name, values in zip(names, made, strict=True)
    )


def _named(number: int) -> pl.Expr:
    import polars as pl

    return pl.format("{}+{}", pl.col("id"), pl.lit(number)).alias("id")


def _changing(augmentation: Augmentation, shards: Mapping[str, Version], spec: Spec, recipe: Recipe) -> Changing:
    version = next(iter(shards.values()))
    form: Form | None = None
    if version.manifest.entry(FORM) is not None:
        form = TypeAdapter(Form).validate_json(version.file(FORM).read_bytes())
    steps = [step.model_dump(mode="json") for step in augmentation.steps]
    return changing_of(Changes(steps=steps, form=form), spec, recipe.seed)
