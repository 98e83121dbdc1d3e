"""The asset `shards`."""

from __future__ import annotations

from typing import Any

import dagster as dg

from assets.factory import stage_asset
from assets.look import ROWS_ACCOUNTED, Look, Versions, schema_check
from ops.recipe import Recipe
from ops.stages.shards import SHARDS


def _columns(recipe: Recipe) -> dict[str, str]:
    kind = str(recipe.source.columns[recipe.task.input])
    label = "Float32" if recipe.task.modality == "table" else "Int32"
    labels = {"label": label} if recipe.task.label else {}
    return {"id": "String", recipe.task.input: kind, **labels, "split": "String", "copy": "Int32"}


def _metadata(recipe: Recipe, versions: Versions) -> dict[str, Any]:
    """Some training rows of the run's partitions beside their altered copies."""
    from ops.evaluation.contact_sheet import sheet_of
    from ops.evaluation.summary import sheet_markdown

    sheet = sheet_of(recipe, versions)
    return {} if sheet is None else {"contact_sheet": dg.MetadataValue.md(sheet_markdown(sheet))}


def shards(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of normalised rows and their altered copies."""
    icons = {"parquet", "polars"} | ({"albumentations"} if recipe.augmentation is not None else set())
    look = Look(frozenset(icons), (ROWS_ACCOUNTED, schema_check(_columns)), _metadata)
    return stage_asset(recipe, SHARDS, look)
