"""The Dagster resource behind every asset: the store and the engine that the machine's settings name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import dagster as dg

from ops.recipe import Recipe
from ops.stages.run import Built, build_stage
from ops.stages.spec import ALL, Services, Stage
from ops.storage import Store
from resources.engine import Engine, open_engine
from resources.settings import EngineSettings

OnBuilt = Callable[[Built, int, int], None]


class Workspace(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where outputs lie and how partitions are mapped.

    Attributes:
        store: folder of the store.
        engine: `local`.
        workers: processes that build partitions side by side; 0 for one per core.
    """

    store: str
    engine: Literal["local", "dask", "ray"] = "local"
    workers: int = 0

    def open(self) -> Store:
        """The store."""
        return Store(Path(self.store))

    def _engine(self) -> Engine:
        return open_engine(EngineSettings(kind=self.engine, workers=self.workers))

    def build(self, recipe: Recipe, stage: Stage, keys: list[str] | None, *, on_built: OnBuilt) -> list[Built]:
        """Build the partitions (None: the one of a fold), several at once, and return them in the order of `keys`."""
        wanted = [ALL] if keys is None else keys
        found: dict[str, Built] = {}
        jobs = [(recipe, stage.name, key, self.store) for key in wanted]
        for built in self._engine().map(build_partition, jobs):
            found[built.partition] = built
            on_built(built, len(found), len(wanted))
        return [found[key] for key in wanted]


def build_partition(job: tuple[Recipe, str, str, str]) -> Built:
    """Build one partition; runs in a process of the engine, so it takes names and not functions."""
    from ops.stages.chain import stage_named

    recipe, stage, key, store = job
    return build_stage(stage_named(recipe, stage), recipe, key, Store(Path(store)), Services())
