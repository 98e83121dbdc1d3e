"""The jobs of a recipe: the whole chain, its data half, its training half."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dagster as dg

from assets.factory import RANGE_END, RANGE_START, WHOLE, asset_key
from ops.recipe import Recipe
from ops.stages.chain import DATA_STAGES, stages

SINGLE_RUN = "Press All to launch all partitions as one run: some stages see a part of the corpus, some all of it."


@dataclass(frozen=True)
class Jobs:
    """A recipe's jobs.

    Attributes:
        main: raw corpus to report; named as the recipe.
        data: raw corpus to token caches.
        training: model and report.
        keys: the partitions that Dagster knows: those of the moment in which it loaded the recipe.
    """

    main: Any
    data: Any
    training: Any
    keys: tuple[str, ...]

    @property
    def all_partitions(self) -> dict[str, str]:
        """The run tags by which one run covers every partition."""
        return {RANGE_START: self.keys[0], RANGE_END: self.keys[-1], WHOLE: "yes"}

    def outdated(self, recipe: Recipe) -> dg.SkipReason | None:
        """Why no run can be asked for now, if files that are partitions have come or gone since the recipe was loaded.

        Dagster's daemon loads everything anew each minute, so that a later tick knows them.
        """
        if self.keys == tuple(recipe.partition_keys()):
            return None
        return dg.SkipReason(f"the partitions of {recipe.name} have changed; Dagster knows them within a minute")


def jobs(recipe: Recipe) -> Jobs:
    """The jobs; each maps, folds and maps again over the recipe's partitions in one run."""
    names = [stage.name for stage in stages(recipe)]
    data = [name for name in names if name in DATA_STAGES]
    rest = [name for name in names if name not in DATA_STAGES]
    return Jobs(
        main=_job(recipe, recipe.name, names, f"{recipe.description} From raw corpus to report. {SINGLE_RUN}"),
        data=_job(recipe, f"{recipe.name}_data", data, f"From raw corpus to token caches. {SINGLE_RUN}"),
        training=_job(recipe, f"{recipe.name}_training", rest, "Training and report."),
        keys=tuple(recipe.partition_keys()),
    )


def _job(recipe: Recipe, name: str, names: list[str], description: str) -> Any:
    selection = dg.AssetSelection.assets(*(asset_key(recipe, stage) for stage in names))
    return dg.define_asset_job(name, selection=selection, description=description, tags={"satiety/recipe": recipe.name})
