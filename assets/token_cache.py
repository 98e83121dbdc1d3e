"""The asset `token_cache`."""

from __future__ import annotations

from typing import Any

import dagster as dg

from assets.factory import stage_asset
from assets.look import ROWS_ACCOUNTED, Look, Versions
from ops.recipe import Recipe
from ops.stages.token_cache import token_cache_stage


def _metadata(recipe: Recipe, versions: Versions) -> dict[str, Any]:
    facts = [version.manifest.facts for version in versions.values()]
    unit = {"text": "tokens", "image": "pixels"}.get(recipe.task.modality, "numbers")
    return {unit: sum(f["elements"] for f in facts), f"longest_row_{unit}": max(f["longest"] for f in facts)}


LOOK = Look(frozenset({"numpy", "arrow"}), (ROWS_ACCOUNTED,), _metadata)


def token_cache(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of what the model reads, packed."""
    return stage_asset(recipe, token_cache_stage(recipe.tokenizer is not None), LOOK)
