"""From a recipe to Dagster definitions."""

from __future__ import annotations

import dagster as dg

from assets.collect import assets
from ops.recipe import Recipe
from ops.storage import Store
from pipelines.interrupts import make_interruptible
from pipelines.jobs import jobs
from pipelines.schedules import schedules
from pipelines.sensors import sensors
from resources.settings import Settings, load_settings
from resources.store import open_store
from resources.workspace import Workspace


def recipe_definitions(recipe: Recipe, settings: Settings | None = None) -> dg.Definitions:
    """Assets, jobs, schedules and sensors of one recipe."""
    made = jobs(recipe)

    def store() -> Store:
        return open_store(settings or load_settings())

    return dg.Definitions(
        assets=assets(recipe.as_of_now()),
        jobs=[made.main, made.data, made.training],
        schedules=schedules(recipe, made, store),
        sensors=sensors(recipe, made),
    )


def shared_definitions(settings: Settings) -> dg.Definitions:
    """What all recipes share: the resources, and an executor that costs no process for each step.

    Partitions get their processes from the engine and training gets its own from torchrun, so that Dagster's
    multiprocess executor would only add three seconds to each step.
    """
    make_interruptible()
    workspace = dg.ResourceDefinition.hardcoded_resource(Workspace(settings))
    return dg.Definitions(resources={"workspace": workspace}, executor=dg.in_process_executor)
