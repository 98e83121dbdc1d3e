"""The schedules of a recipe: data every night, training every week; a tick with nothing to do starts no run."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg

from ops.recipe import Recipe
from ops.stages.chain import DATA_STAGES, stages
from ops.stages.run import partitions_of
from ops.storage import Store
from pipelines.jobs import Jobs
from pipelines.plan import make_plan


def schedules(recipe: Recipe, jobs: Jobs, store: Callable[[], Store]) -> list[dg.ScheduleDefinition]:
    """Both schedules; they start switched off, and are switched on in the web page."""
    when = recipe.automation
    return [
        _schedule(recipe, f"{recipe.name}_nightly_data", when.data, jobs, store, data=True),
        _schedule(recipe, f"{recipe.name}_weekly_training", when.training, jobs, store, data=False),
    ]


def _schedule(
    recipe: Recipe, name: str, cron: str, jobs: Jobs, store: Callable[[], Store], *, data: bool
) -> dg.ScheduleDefinition:
    job, description = (jobs.data if data else jobs.training), f"Runs what is not fresh ({cron})."

    @dg.schedule(name=name, job=job, cron_schedule=cron, description=description)
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return request(recipe, jobs, store(), data=data)

    return tick


def request(recipe: Recipe, jobs: Jobs, store: Store, *, data: bool) -> dg.RunRequest | dg.SkipReason:
    """A run of the data (or training) half if the plan has work in it, else the reason for none.

    The plan compares content, so it also sees what Dagster's own staleness cannot: a source that has changed outside.
    Training is planned from the data as they are: whether they are to be built anew is for the data schedule to say.
    """
    half = "data" if data else "training"
    chosen = [stage.name for stage in stages(recipe) if (stage.name in DATA_STAGES) == data]
    missing = None if data else _missing_data(recipe, store)
    if missing is not None:
        return dg.SkipReason(f"{half} of {recipe.name}: {missing} has not been built; run {recipe.name}_data first")
    work = [item for item in make_plan(recipe, store, chosen).items if item.status != "fresh"]
    if not work:
        return dg.SkipReason(f"{half} of {recipe.name}: everything is fresh")
    outdated = jobs.outdated(recipe) if data else None
    if outdated is not None:
        return outdated
    reason = f"{work[0].stage}[{work[0].partition}]: {', '.join(work[0].reasons)}"[:200]
    return dg.RunRequest(tags={**(jobs.all_partitions if data else {}), "satiety/reason": reason})


def _missing_data(recipe: Recipe, store: Store) -> str | None:
    """The first partition of the data half that has no version."""
    for stage in stages(recipe):
        for partition in partitions_of(stage, recipe):
            if stage.name in DATA_STAGES and store.slot(recipe.name, stage.name, partition).current() is None:
                return f"{stage.name}[{partition}]"
    return None
