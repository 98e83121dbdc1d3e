"""The asset `shards`."""

from __future__ import annotations

import dagster as dg

from assets.factory import stage_asset
from assets.look import ROWS_ACCOUNTED, Look, schema_check
from ops.recipe import Recipe
from ops.stages.shards import SHARDS


def _columns(recipe: Recipe) -> dict[str, str]:
    kind = str(recipe.source.columns[recipe.task.input])
    label = "Float32" if recipe.task.modality == "table" else "Int32"
    return {"id": "String", recipe.task.input: kind, "label": label, "split": "String", "copy": "Int32"}


def shards(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of normalised rows and their altered copies."""
    icons = {"parquet", "polars"} | ({"albumentations"} if recipe.augmentation is not None else set())
    return stage_asset(recipe, SHARDS, Look(frozenset(icons), (ROWS_ACCOUNTED, schema_check(_columns))))
