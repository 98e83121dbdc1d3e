"""The asset `shards`."""

from __future__ import annotations

from typing import Any

import dagster as dg

from assets.factory import stage_asset
from assets.look import ROWS_ACCOUNTED, Look, Versions, schema_check
from ops.recipe import Recipe
from ops.stages.chain import stage_named


def _columns(recipe: Recipe) -> dict[str, str]:
    task = recipe.task
    own = {"id": "String", "split": "String", "copy": "Int32"}
    own |= {"label": "Float32" if task.form == "series" else "Int32"} if task.label else {}
    if task.form == "row":
        categories: list[str] = getattr(task, "categories", [])
        return own | {name: "Int32" if name in categories else "Float64" for name in task.reads}
    return own | {task.input: str(recipe.source.columns[task.input])}


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
    return stage_asset(recipe, stage_named(recipe, "shards"), look)
