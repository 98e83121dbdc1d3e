"""The asset `model`: a graph asset whose op starts torchrun, follows it, and records it in MLflow."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from assets.factory import asset_key, common, of_run, run_metadata
from assets.look import Check, Look, Verdict, Versions
from ops.recipe import Recipe
from ops.stages.chain import stage_named
from ops.stages.run import Built, Wanted, build_stage, wanted
from ops.stages.spec import ALL, Services, Stage
from ops.torchrun import train_op
from resources.journal import Dataset, Training
from resources.launcher import LaunchPlan, launch
from resources.progress import publish
from resources.workspace import Workspace, done

Record = dict[str, Any]
Listener = Callable[[Mapping[str, Any]], None]


def _valid(versions: Versions) -> dict[str, float]:
    found: dict[str, float] = next(iter(versions.values())).manifest.facts["valid"]
    return found


def _finite(recipe: Recipe, versions: Versions) -> Verdict:
    loss = _valid(versions)["loss"]
    return Verdict(math.isfinite(loss), {"valid_loss": loss})


def _better_than_rival(recipe: Recipe, versions: Versions) -> Verdict:
    valid = _valid(versions)
    own, rival = recipe.task.judged
    return Verdict(not recipe.task.lost(valid), {f"valid_{own}": valid[own], rival: valid[rival]})


def _metadata(recipe: Recipe, versions: Versions) -> dict[str, Any]:
    cost = next(iter(versions.values())).cost or {}
    figures = {f"valid_{name}": value for name, value in _valid(versions).items()}
    return figures | {name: cost[name] for name in ("parameters", "flops", "wall_s", "examples") if name in cost}


def look(recipe: Recipe) -> Look:
    """Icons, checks and metadata; what the model has to beat is the task's to say."""
    finite = Check("loss_finite", "The loss on the validation split is a finite number.", _finite)
    better = Check(f"better_than_{recipe.task.rival}", recipe.task.rival_check, _better_than_rival)
    return Look(frozenset({"pytorch", "safetensors"}), (finite, better), _metadata)


def model(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of the trained model."""
    stage = stage_named(recipe, "model")
    key = asset_key(recipe, stage.name)
    specs = [check.spec(key) for check in look(recipe).checks]

    def train(context: dg.OpExecutionContext, live: Listener) -> dg.MaterializeResult[None]:
        workspace: Workspace = context.resources.workspace
        now = of_run(recipe, context.run.tags)
        built, link = _train(context, workspace, now, stage, live)
        versions = {ALL: built.version}
        metadata = run_metadata(now, look(now), [built])
        if link is not None:
            metadata["mlflow"] = dg.MetadataValue.url(link)
        return dg.MaterializeResult(
            asset_key=key,
            metadata=metadata,
            data_version=dg.DataVersion(built.version.digest),
            check_results=[check.result(key, now, versions) for check in look(now).checks],
        )

    inputs = [wanted.stage for wanted in stage.inputs]
    op = train_op(
        f"{recipe.name}_train",
        train,
        key=key,
        checks=specs,
        ins={name: dg.In(dg.Nothing) for name in inputs},
        resources=["workspace"],
    )
    return _graph_asset(recipe, stage, specs, op)


def _graph_asset(
    recipe: Recipe, stage: Stage, specs: list[dg.AssetCheckSpec], op: dg.OpDefinition
) -> dg.AssetsDefinition:
    """The op as an asset of its own graph: only an op, not an asset, can hold a pool and a retry policy."""
    outputs = ["result", *(spec.get_python_identifier() for spec in specs)]

    @dg.graph_asset(
        **common(recipe, stage, look(recipe)),
        ins={
            wanted.stage: dg.AssetIn(
                key=asset_key(recipe, wanted.stage),
                dagster_type=dg.Nothing,
                partition_mapping=dg.AllPartitionMapping() if wanted.every else None,
            )
            for wanted in stage.inputs
        },
    )
    def graph(**inputs: Any) -> dict[str, Any]:
        return dict(zip(outputs, op(**inputs), strict=True))

    return graph


def _train(
    context: dg.OpExecutionContext, workspace: Workspace, recipe: Recipe, stage: Stage, live: Listener
) -> tuple[Built, str | None]:
    """Build the model's version, recording the training in MLflow; a model that is there already is reused."""
    store, tracker = workspace.store(), workspace.tracker()
    publish("stage", stage.name, partitions=1)
    goal = wanted(stage, recipe, ALL, store)
    if store.slot(recipe.name, stage.name).version(goal.fingerprint) is not None:
        built = build_stage(stage, recipe, ALL, store)
        done(built, 1, 1)
        publish("done", stage.name)
        return built, tracker.link(recipe.name, goal.fingerprint)
    tags = tracker.dagster_tags(context.run_id, asset_key(recipe, stage.name).to_user_string())
    with tracker.begin(_training(recipe, goal, tags)) as run:

        def follow(record: Record) -> None:
            live(record)
            run.forward(record)
            publish("record", stage.name, record=record)

        built = build_stage(stage, recipe, ALL, store, Services(launch=_launch, on_record=follow))
        done(built, 1, 1)
        # Of the weights that were chosen, at whatever step; `valid_…` are the curves.
        metrics = {f"best_valid_{name}": value for name, value in _valid({ALL: built.version}).items()}
        cost = _figures(built.version.cost or {})
        checks = {check.name: check.judge(recipe, {ALL: built.version}).passed for check in look(recipe).checks}
        named = {f"valid_{name}": passed for name, passed in checks.items()}
        # The champion is chosen by the report, on the test split.
        run.finish(
            digest=built.version.digest,
            path=built.version.path,
            metrics=metrics | cost,
            checks=named,
            judged_later=True,
        )
        publish("done", stage.name)
        return built, run.link()


def _figures(cost: Mapping[str, Any]) -> dict[str, float]:
    """The plain numbers of a cost record, and the energy in joules; whether it was measured is in the record."""
    found = {name: float(value) for name, value in cost.items() if isinstance(value, int | float)}
    energy = cost.get("energy") or {}
    return found | ({"joules": float(energy["joules"])} if energy.get("joules") is not None else {})


def _training(recipe: Recipe, goal: Wanted, tags: dict[str, str]) -> Training:
    datasets = tuple(
        Dataset(f"{stage}[{key}]", version.digest, str(version.path))
        for stage, versions in goal.inputs.items()
        for key, version in versions.items()
    )
    params = recipe.part("task", "model", "training", "launch", "seed")
    return Training(recipe.name, goal.fingerprint, params, datasets, tags)


def _launch(run_file: Path, recipe: Recipe, on_record: Callable[[Record], None]) -> None:
    launch(LaunchPlan(run_file, run_file.parent, recipe.launch), on_record)
