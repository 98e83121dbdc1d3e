"""The asset `fitted`."""

from __future__ import annotations

from typing import Any

import dagster as dg

from assets.factory import stage_asset
from assets.look import Look, Versions
from ops.fitting import evidence
from ops.recipe import Recipe
from ops.stages.fitted import fitted_stage


def _metadata(recipe: Recipe, versions: Versions) -> dict[str, Any]:
    """For each step what it learned and why, as one table: the errors of all methods, and the choice."""
    (version,) = versions.values()
    rows = evidence(recipe.cleaning, version.json("fitted.json"))
    return {step: dg.MetadataValue.table([dg.TableRecord(row) for row in found]) for step, found in rows.items()}


LOOK = Look(frozenset({"json", "polars"}), metadata=_metadata)


def fitted(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of what cleaning steps learned from the training rows."""
    return stage_asset(recipe, fitted_stage(bool(recipe.deduplication), bool(recipe.scoring)), LOOK)
