"""The jobs of a recipe: the whole chain, its data half, its training half."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dagster as dg

from assets.factory import asset_key
from ops.recipe import Recipe
from ops.stages.chain import DATA_STAGES, stages

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
SINGLE_RUN = (
    "Launch its partitions as a single run: stages that see the whole corpus stand between those that see a part."
)


@dataclass(frozen=True)
class Jobs:
    """A recipe's jobs.

    Attributes:
        main: raw corpus to report; named as the recipe.
        data: raw corpus to token caches.
        training: model and report.
    """

    main: Any
    data: Any
    training: Any


def jobs(recipe: Recipe) -> Jobs:
    """The jobs; each maps, folds and maps again over the recipe's partitions in one run."""
    names = [stage.name for stage in stages(recipe)]
    data = [name for name in names if name in DATA_STAGES]
    rest = [name for name in names if name not in DATA_STAGES]
    return Jobs(
        main=_job(recipe, recipe.name, names, f"{recipe.description} From raw corpus to report. {SINGLE_RUN}"),
        data=_job(recipe, f"{recipe.name}_data", data, f"From raw corpus to token caches. {SINGLE_RUN}"),
        training=_job(recipe, f"{recipe.name}_training", rest, "Training and report."),
    )


def _job(recipe: Recipe, name: str, names: list[str], description: str) -> Any:
    selection = dg.AssetSelection.assets(*(asset_key(recipe, stage) for stage in names))
    return dg.define_asset_job(name, selection=selection, description=description, tags={"satiety/recipe": recipe.name})


def all_partitions(recipe: Recipe) -> dict[str, str]:
    """The run tags by which one run covers every partition of the recipe."""
    keys = recipe.partition_keys()
    return {RANGE_START: keys[0], RANGE_END: keys[-1]}
