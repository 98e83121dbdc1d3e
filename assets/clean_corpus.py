"""The asset `clean_corpus`."""

from __future__ import annotations

from typing import Any

import dagster as dg

from assets.factory import stage_asset
from assets.look import ROWS_ACCOUNTED, Look, Versions, schema_check
from ops.recipe import Recipe
from ops.stages.clean_corpus import clean_corpus_stage


def _columns(recipe: Recipe) -> dict[str, str]:
    wanted = {name: str(recipe.source.columns[name]) for name in (*recipe.known_by, recipe.task.label) if name}
    return {"id": "String", **wanted, "split": "String"}


def _metadata(recipe: Recipe, versions: Versions) -> dict[str, Any]:
    splits: dict[str, int] = {}
    for version in versions.values():
        for split, rows in version.manifest.facts["splits"].items():
            splits[split] = splits.get(split, 0) + rows
    return {f"rows_{split}": rows for split, rows in sorted(splits.items())}


LOOK = Look(frozenset({"parquet", "polars"}), (ROWS_ACCOUNTED, schema_check(_columns)), _metadata)


def clean_corpus(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of the rows that every cleaning step keeps."""
    stage = clean_corpus_stage(bool(recipe.deduplication), bool(recipe.scoring), bool(recipe.fitting))
    return stage_asset(recipe, stage, LOOK)
