"""Trainings that a search compares: parts of the chain in a store of their own, and what they found and took.

They lie in the work folder of the stage that searches, by the same commit protocol as everything else, so that a killed
search goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ops.abreast import given_up
from ops.errors import CheckFailed, SatietyError
from ops.evaluation.cost import estimate_energy, estimate_gpu_energy
from ops.evaluation.curves import curves_of
from ops.launch import SPENT as ACCOUNT
from ops.recipe import Recipe
from ops.stages.cached import cached_rows
from ops.stages.run import fingerprint, ingredients, partitions_of
from ops.stages.spec import ALL, Build, Services, Stage
from ops.storage import Counts, Output, Store, Version
from ops.storage.files import write_file

COUNTED = ("cpu_s", "wall_s", "gpu_s", "flops", "examples", "joules")
"""What a training counts; what a search takes beside its trainings is small."""

SPENT = (*COUNTED, "estimated_joules")
"""What a search adds up: with those of the joules that no counter told."""

NOTHING = dict.fromkeys(SPENT, 0.0)
"""What a training took that there was not."""

DIVERGED = "diverged.json"
"""In the work folder of a training that kept no finite loss: what it took."""

LONGEST = 40
"""Points of a trial's curve, at most."""

Versions = Mapping[str, Mapping[str, Version]]


@dataclass(frozen=True)
class Trained:
    """What one training of a search found.

    Attributes:
        valid: loss and metrics on the validation split; nothing where the loss did not stay finite.
        figures: the loss and the metric by which the task judges, as `valid_loss` and so on.
        cost: what it took.
        curves: of `loss` and `valid_loss` the steps and values, thinned.
    """

    valid: dict[str, float] | None
    figures: dict[str, float | None]
    cost: dict[str, float]
    curves: dict[str, list[tuple[int, float]]]


def trained(build: Build, model: Stage, store: Store, known: Versions, *, alone: bool = True) -> Trained:
    """Train the build's recipe in a store of the trial's own; what was given up finds nothing and has its cost.

    Args:
        build: of the stage that searches.
        model: the stage that trains.
        store: the trial's own.
        known: versions that are read.
        alone: whether no other training runs beside this one.
    """
    judged = build.recipe.task.judged[0]
    slot = store.slot(build.recipe.name, model.name)
    _, goal = _goal(build, model, ALL, known)
    work = slot.work(goal)
    gone = work / DIVERGED
    if not gone.exists():
        try:
            (version,) = built(build, model, store, known).values()
        except CheckFailed:
            write_file(gone, json.dumps({"cpu_s": _accounted(work)}).encode())
        except SatietyError:
            if not given_up():
                raise
            return Trained(None, {}, ended(_accounted(work)), {})
        else:
            valid, spent = version.manifest.facts["valid"], _spent(version.cost or {}, _accounted(work), alone)
            figures: dict[str, float | None] = {"valid_loss": valid["loss"], f"valid_{judged}": valid[judged]}
            return Trained(valid, figures, spent, _curves(version.file("history.jsonl")))
    # Its processes have left no costs: what they took in all is known to who started them.
    spent = ended(json.loads(gone.read_bytes())["cpu_s"])
    return Trained(None, {"valid_loss": None, f"valid_{judged}": None}, spent, _curves(work / "metrics.jsonl"))


def ended(cpu_s: float) -> dict[str, float]:
    """The cost of a training that did not come to its end: of its energy there is an estimate at the most."""
    joules = round(estimate_energy(cpu_s, 0.0, 0).joules, 1)
    return NOTHING | {"cpu_s": cpu_s, "joules": joules, "estimated_joules": joules}


def _spent(cost: Mapping[str, Any], accounted: float, alone: bool) -> dict[str, float]:
    """What a training took, of its cost record and of who started it."""
    energy = cost.get("energy") or {}
    spent = {name: float(cost.get(name) or energy.get(name, 0.0)) for name in COUNTED}
    # Ranks count themselves; who started them knows of torchrun too, and of what a killed one had not saved.
    spent["cpu_s"] = max(spent["cpu_s"], accounted)
    measured = energy.get("method") == "measured"
    if not alone and (measured or spent["gpu_s"]):
        # Counters are of the whole machine and of whole GPUs: each training would have what all of them took.
        estimate = estimate_energy(spent["cpu_s"], spent["wall_s"], cost.get("peak_rss_bytes") or 0)
        spent["joules"], measured = round(estimate.joules + estimate_gpu_energy(spent["gpu_s"]), 1), False
    return spent | {"estimated_joules": 0.0 if measured else spent["joules"]}


def _accounted(folder: Path) -> float:
    """CPU-seconds of all processes that trained in a folder, however they ended."""
    account = folder / ACCOUNT
    return sum(map(float, account.read_text(encoding="ascii").split())) if account.exists() else 0.0


def _curves(history: Path) -> dict[str, list[tuple[int, float]]]:
    """The curves in a file of records; none where a training was stopped before its first."""
    lines = history.read_text(encoding="utf-8").splitlines() if history.exists() else []
    found = curves_of(map(json.loads, lines), ("loss", "valid_loss"), LONGEST)
    return {name: [(point.step, point.value) for point in points] for name, points in found.items()}


def shortened(recipe: Recipe, share: float, caches: Mapping[str, Version]) -> Recipe:
    """The recipe with a share of its training, as a number of steps."""
    training = recipe.training
    steps = training.steps
    if steps is None:
        splits = (cached_rows(version, ["split"])["split"] for version in caches.values())
        examples = sum(int((split == "train").sum()) for split in splits)
        steps = -(-examples // training.batch_size) * (training.epochs or 1)
    changed = training.model_copy(update={"epochs": None, "steps": max(1, round(share * steps))})
    return recipe.model_copy(update={"training": changed})


def total(costs: list[dict[str, float]]) -> dict[str, Any]:
    """What a search took: the sums, and each training's own."""
    return {name: round(sum(cost[name] for cost in costs), 3) for name in SPENT} | {"trials": costs}


def built(build: Build, stage: Stage, store: Store, known: Versions) -> dict[str, Version]:
    """All partitions of a stage, in a store of the trial's own, from inputs of that store and of the recipe's."""
    found: dict[str, Version] = {}
    for key in partitions_of(stage, build.recipe):
        parts, goal = _goal(build, stage, key, known)
        slot = store.slot(build.recipe.name, stage.name, key)
        # The launcher alone: the curves of trials are nobody's.
        services, work = Services(launch=build.services.launch), partial(slot.work, goal)
        inputs = _inputs(stage, key, known)
        own = replace(build, partition=key, inputs=inputs, work=work, services=services)

        def write(output: Output, own: Build = own) -> Counts | None:
            return stage.build(replace(own, output=output))

        found[key], _ = slot.commit(goal, parts, write)
    return found


def _inputs(stage: Stage, key: str, known: Versions) -> dict[str, dict[str, Version]]:
    return {
        read.stage: {part: known[read.stage][part] for part in read.keys(list(known[read.stage]), key)}
        for read in stage.inputs
    }


def _goal(build: Build, stage: Stage, key: str, known: Versions) -> tuple[dict[str, str], str]:
    """What a partition is built from, and the fingerprint of that."""
    inputs = _inputs(stage, key, known)
    digests = {name: {part: version.digest for part, version in parts.items()} for name, parts in inputs.items()}
    parts = ingredients(stage, build.recipe, key, digests)
    return parts, fingerprint(stage, key, parts)
