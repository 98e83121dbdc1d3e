"""The schedules of a recipe: data every night, training every week; a tick with nothing to do starts no run."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg

from ops.recipe import Recipe
from ops.stages.chain import DATA_STAGES
from ops.storage import Store
from pipelines.jobs import Jobs, all_partitions
from pipelines.plan import make_plan


def schedules(recipe: Recipe, jobs: Jobs, store: Callable[[], Store]) -> list[dg.ScheduleDefinition]:
    """Both schedules; they start switched off, and are switched on in the web page."""
    return [
        _schedule(recipe, f"{recipe.name}_nightly_data", jobs.data, recipe.automation.data, store, data=True),
        _schedule(
            recipe, f"{recipe.name}_weekly_training", jobs.training, recipe.automation.training, store, data=False
        ),
    ]


def _schedule(
    recipe: Recipe, name: str, job: object, cron: str, store: Callable[[], Store], *, data: bool
) -> dg.ScheduleDefinition:
    @dg.schedule(name=name, job=job, cron_schedule=cron, description=f"Runs what is not fresh ({cron}).")  # type: ignore[arg-type]
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return request(recipe, store(), data=data)

    return tick


def request(recipe: Recipe, store: Store, *, data: bool) -> dg.RunRequest | dg.SkipReason:
    """A run of the data (or training) half if the plan has work in it, else the reason for none.

    The plan compares content, so it also sees what Dagster's own staleness cannot: a source that has changed outside.
    """
    plan = make_plan(recipe, store)
    half = [item for item in plan.items if (item.stage in DATA_STAGES) == data and item.status != "fresh"]
    if not half:
        return dg.SkipReason(f"{'data' if data else 'training'} of {recipe.name}: everything is fresh")
    first = half[0]
    reason = f"{first.stage}[{first.partition}] {first.status}: {', '.join(first.reasons)}"[:200]
    return dg.RunRequest(tags={**(all_partitions(recipe) if data else {}), "satiety/reason": reason})
