"""The sensor of a watched folder: new or changed files start a run of the data half."""

from __future__ import annotations

import hashlib
from pathlib import Path

import dagster as dg

from ops.recipe import Recipe
from pipelines.jobs import Jobs


def sensors(recipe: Recipe, jobs: Jobs) -> list[dg.SensorDefinition]:
    """The recipe's sensor, if it watches a folder; it starts switched off."""
    if recipe.automation.watch is None:
        return []
    return [_folder_sensor(recipe, jobs, Path(recipe.automation.watch))]


def listing(folder: Path) -> str | None:
    """A digest of the names and sizes of the files below a folder, or None where there is no such folder.

    Only what starts a run: whether there is anything to build is decided by the content of the files.
    """
    if not folder.is_dir():
        return None
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = "\n".join(f"{path.relative_to(folder).as_posix()}\t{path.stat().st_size}" for path in files)
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _folder_sensor(recipe: Recipe, jobs: Jobs, folder: Path) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{recipe.name}_folder",
        job=jobs.data,
        minimum_interval_seconds=30,
        description=f"Runs the data half when files in {folder} are new or have changed.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        seen = listing(folder)
        if seen is None:
            return dg.SkipReason(f"{folder} is not a folder")
        if seen == context.cursor:
            return dg.SkipReason("no new files")
        outdated = jobs.outdated(recipe)
        if outdated is not None:
            return outdated
        # No run key: files that come, go and come again are worth a run each time.
        run = dg.RunRequest(tags=jobs.all_partitions)
        return dg.SensorResult(run_requests=[run], cursor=seen)

    return look
