"""The asset `strength`: the search of the strength of augmentation, which trains and so takes its turn in the pool."""

from __future__ import annotations

from typing import Any

import dagster as dg

from assets.factory import stage_asset
from assets.look import Look, Versions
from ops.recipe import Recipe
from ops.stages.chain import stage_named
from ops.stages.run import Built
from ops.stages.settled import STRENGTH, chosen, tried
from ops.stages.spec import Stage
from resources.workspace import Workspace


def _metadata(recipe: Recipe, versions: Versions) -> dict[str, Any]:
    """The strength that was chosen, and all trials."""
    (version,) = versions.values()
    rows = [dg.TableRecord(row) for row in tried(version)]
    return {"strength": chosen(version), "trials": dg.MetadataValue.table(rows)}


LOOK = Look(frozenset({"json", "pytorch"}), metadata=_metadata)


def strength(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of how strong augmentation should be."""
    return stage_asset(recipe, stage_named(recipe, STRENGTH), LOOK, train=_search)


def _search(context: dg.AssetExecutionContext, workspace: Workspace, recipe: Recipe, stage: Stage) -> Built:
    """Its trainings are nobody's: MLflow does not hear of them."""
    return workspace.train(recipe, stage)
