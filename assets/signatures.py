"""The assets `signatures`, `bands`, `pairs` and `duplicates`: what is compared, and what was decided."""

from __future__ import annotations

from typing import Any

import dagster as dg

from assets.factory import stage_asset
from assets.look import ROWS_ACCOUNTED, Check, Look, Verdict, Versions
from ops.recipe import Recipe
from ops.stages.bands import BANDS
from ops.stages.duplicates import duplicates_stage
from ops.stages.pairs import PAIRS
from ops.stages.signatures import reads_split, signatures_stage

SIGNATURES_LOOK = Look(frozenset({"parquet", "polars"}), (ROWS_ACCOUNTED,))

BANDS_LOOK = Look(frozenset({"polars"}))

PAIRS_LOOK = Look(frozenset({"polars"}))


def _decided(recipe: Recipe, versions: Versions) -> dict[str, Any]:
    facts = next(iter(versions.values())).manifest.facts
    return {"rows": facts["rows"], "duplicates": facts["duplicates"], "by_reason": facts["by_reason"]}


def _no_source_lost(recipe: Recipe, versions: Versions) -> Verdict:
    losses = [text for version in versions.values() for text in version.manifest.facts["excessive_losses"]]
    return Verdict(not losses, {"excessive_losses": losses})


NO_SOURCE_LOST = Check(
    "no_source_lost", "No source loses more of its rows than the recipe accepts (maximum_loss).", _no_source_lost
)

DUPLICATES_LOOK = Look(frozenset({"parquet", "polars"}), (NO_SOURCE_LOST,), _decided)


def signatures(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of each row's hash."""
    return stage_asset(recipe, signatures_stage(reads_split(recipe)), SIGNATURES_LOOK)


def bands(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of what a new partition is looked up in."""
    return stage_asset(recipe, BANDS, BANDS_LOOK)


def pairs(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of pairs of texts that are alike, one of them in the partition."""
    return stage_asset(recipe, PAIRS, PAIRS_LOOK)


def duplicates(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of the rows that repeat another anywhere in the corpus."""
    return stage_asset(
        recipe,
        duplicates_stage(bool(recipe.scoring), any(step.paired for step in recipe.deduplication.values())),
        DUPLICATES_LOOK,
    )
