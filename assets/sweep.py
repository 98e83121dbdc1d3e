"""The asset `sweep`: a search of settings, whose trials are nested runs in MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.factory import asset_key, stage_asset
from assets.look import Look, Versions
from ops.evaluation.charts.trials import trials_chart
from ops.evaluation.sweep import charts, sweep_markdown, sweep_report
from ops.evaluation.trial_curves import trial_curves
from ops.recipe import Recipe
from ops.stages.chain import stage_named
from ops.stages.run import Built, wanted
from ops.stages.settled import FOUND, LEARNED, SWEEP, best_values, swept
from ops.stages.spec import ALL, Stage
from ops.stages.sweep import PAGE
from resources.journal import Dataset, Training
from resources.tracking import TrackedRun
from resources.workspace import Workspace


def _metadata(recipe: Recipe, versions: Versions) -> dict[str, Any]:
    """What was chosen, and all trials side by side with what they took."""
    (version,) = versions.values()
    if recipe.sweep is None:
        raise TypeError("a recipe without a sweep has no trials")
    found = version.json(FOUND)
    spent: dict[int, float] = {}
    for row in swept(version):
        if row["cpu_seconds"] is not None:
            spent[row["trial"]] = spent.get(row["trial"], 0.0) + row["cpu_seconds"]
    curves = version.json(LEARNED)
    report = sweep_report(recipe.name, recipe.description, recipe.sweep, found, curves)
    learned = trial_curves(found, curves, (version.cost or {}).get("trials"))
    drawn = [*([trials_chart(learned)] if learned else []), *charts(report, recipe.sweep, found)]
    return {
        "chosen": dg.MetadataValue.json(best_values(version)),
        "page": dg.MetadataValue.path(str(version.path / PAGE)),
        "comparison": dg.MetadataValue.md(sweep_markdown(report, drawn, spent)),
    }


LOOK = Look(frozenset({"html", "pytorch"}), metadata=_metadata)


def sweep(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of which settings do best."""
    return stage_asset(recipe, stage_named(recipe, SWEEP), LOOK, train=_search)


def _search(context: dg.AssetExecutionContext, workspace: Workspace, recipe: Recipe, stage: Stage) -> Built:
    """Build the sweep's version, with a run in MLflow for it and one below it for each trial."""
    store, tracker = workspace.store(), workspace.tracker()
    goal = wanted(stage, recipe, ALL, store)
    if store.slot(recipe.name, stage.name).version(goal.fingerprint) is not None:
        return workspace.train(recipe, stage)
    datasets = tuple(
        Dataset(f"{name}[{key}]", version.digest, str(version.path))
        for name, versions in goal.inputs.items()
        for key, version in versions.items()
    )
    tags = tracker.dagster_tags(context.run.run_id, asset_key(recipe, stage.name).to_user_string())
    params = recipe.part("task", "model", "training", "launch", "seed", "sweep")
    with tracker.begin(Training(recipe.name, goal.fingerprint, params, datasets, tags)) as run:
        built = workspace.train(recipe, stage, lambda record: _trial(run, recipe, goal.fingerprint, record))
        best = best_values(built.version)
        cost = {name: float(v) for name, v in (built.version.cost or {}).items() if isinstance(v, int | float)}
        chosen = {f"best.{key}": float(v) for key, v in best.items() if isinstance(v, int | float)}
        run.conclude({**cost, **chosen, "trials": float(built.version.manifest.facts["trials"])})
    return built


def _trial(run: TrackedRun, recipe: Recipe, sweep: str, record: Mapping[str, Any]) -> None:
    """Record what a trial has come to: its own run, with a point for each of its trainings, at its steps."""
    if "state" not in record or record["state"] == "repeated":
        return
    training = Training(
        recipe.name, f"{sweep}-{record['name']}", record["values"], parent=sweep, name=_title(recipe, record)
    )
    figures = {name: value for name, value in record.items() if name.startswith("valid_") and value is not None}
    point = {**figures, **record["cost"], "rung": record["rung"], "step": record.get("steps", 0)}
    run.nested(training, point, failed=record["state"] != "finished")


def _title(recipe: Recipe, record: Mapping[str, Any]) -> str:
    return f"{recipe.name}-trial-{record['trial']}"
