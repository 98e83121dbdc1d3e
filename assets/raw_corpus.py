"""The asset `raw_corpus`."""

from __future__ import annotations

from typing import Any

import dagster as dg

from assets.factory import stage_asset
from assets.look import ROWS_ACCOUNTED, Look, Versions, schema_check
from ops.recipe import Recipe
from ops.stages.raw_corpus import RAW_CORPUS


def _columns(recipe: Recipe) -> dict[str, str]:
    return {"id": "String", **{name: str(kind) for name, kind in recipe.source.columns.items()}}


def _metadata(recipe: Recipe, versions: Versions) -> dict[str, Any]:
    return {"source": dg.MetadataValue.json(recipe.source.model_dump(mode="json"))}


LOOK = Look(frozenset({"parquet", "polars"}), (ROWS_ACCOUNTED, schema_check(_columns)), _metadata)


def raw_corpus(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of one partition of the source as it is."""
    return stage_asset(recipe, RAW_CORPUS, LOOK)
