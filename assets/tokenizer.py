"""The asset `tokenizer`."""

from __future__ import annotations

from typing import Any

import dagster as dg

from assets.factory import stage_asset
from assets.look import Look, Versions
from ops.recipe import Recipe
from ops.stages.tokenizer import TOKENIZER


def _metadata(recipe: Recipe, versions: Versions) -> dict[str, Any]:
    return {"vocabulary": next(iter(versions.values())).manifest.facts["vocabulary"]}


LOOK = Look(frozenset({"json"}), (), _metadata)


def tokenizer(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of the vocabulary."""
    return stage_asset(recipe, TOKENIZER, LOOK)
