"""Building one partition of one stage: fingerprint, reuse or build, commit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ops.errors import CheckFailed, SatietyError
from ops.recipe import Recipe
from ops.stages.code import code_versions
from ops.stages.spec import ALL, Build, Services, Stage
from ops.storage import Counts, Output, Store, Version, sha256_json

Digests = Mapping[str, Mapping[str, str]]
"""For each input stage the digest of each of its partitions."""


@dataclass(frozen=True)
class Built:
    """One partition of one stage as it lies in the store, and whether this call built it."""

    stage: str
    partition: str
    version: Version
    built: bool


def partitions_of(stage: Stage, recipe: Recipe) -> list[str]:
    """The keys a stage is built for, in order."""
    return recipe.partition_keys() if stage.partitioned else [ALL]


def ingredients(stage: Stage, recipe: Recipe, partition: str, digests: Digests) -> dict[str, str]:
    """Everything the result depends on, flat and by name, so that two of them can be compared key by key.

    Keys: `code.<module>`, `config.<path>`, `input.<stage>[<partition>]` and `external`.
    """
    found = {f"code.{m}": v for m, v in code_versions([stage.module, *stage.modules(recipe)]).items()}
    found |= settings(stage, recipe)
    found |= {f"input.{s}[{p}]": digest for s, parts in digests.items() for p, digest in parts.items()}
    if stage.external is not None:
        found["external"] = stage.external(recipe, partition)
    return dict(sorted(found.items()))


def settings(stage: Stage, recipe: Recipe) -> dict[str, str]:
    """The part of the recipe that the result depends on, by `config.<path>`."""
    return {f"config.{path}": value for path, value in _flat(stage.config(recipe))}


def fingerprint(stage: Stage, partition: str, parts: Mapping[str, str]) -> str:
    """SHA-256 (first 32 hex) over stage, partition and ingredients: what would be built."""
    return sha256_json({"stage": stage.name, "partition": partition, "parts": dict(parts)})[:32]


@dataclass(frozen=True)
class Wanted:
    """What one partition would be built from: its inputs' current versions, all ingredients, and their fingerprint."""

    inputs: Mapping[str, Mapping[str, Version]]
    ingredients: Mapping[str, str]
    fingerprint: str


def wanted(stage: Stage, recipe: Recipe, partition: str, store: Store) -> Wanted:
    """Look up the inputs and work out the fingerprint.

    Raises:
        SatietyError: an input has no current version.
    """
    inputs = current_inputs(stage, recipe, partition, store)
    digests = {name: {key: version.digest for key, version in parts.items()} for name, parts in inputs.items()}
    parts = ingredients(stage, recipe, partition, digests)
    return Wanted(inputs, parts, fingerprint(stage, partition, parts))


def build_stage(stage: Stage, recipe: Recipe, partition: str, store: Store, services: Services | None = None) -> Built:
    """Build one partition from the current versions of its inputs, or reuse the version that is there already.

    Raises:
        CheckFailed: an input did not pass the checks that block what is below it.
        SatietyError: an input has no current version, or the stage's own error with the place added.
    """
    goal = wanted(stage, recipe, partition, store)
    _check_inputs(stage, recipe, partition, goal)
    slot = store.slot(recipe.name, stage.name, partition)

    def write(output: Output) -> Counts | None:
        work = partial(slot.work, goal.fingerprint)
        external = goal.ingredients.get("external", "")
        return stage.build(
            Build(
                recipe,
                partition,
                goal.inputs,
                output,
                work,
                services or Services(predictors=recipe.launch.predictors),
                external,
            )
        )

    try:
        version, built = slot.commit(goal.fingerprint, goal.ingredients, write)
    except SatietyError as error:
        error.where = error.where or f"{recipe.name}/{stage.name}[{partition}]"
        raise
    return Built(stage.name, partition, version, built)


def _check_inputs(stage: Stage, recipe: Recipe, partition: str, goal: Wanted) -> None:
    """Dagster stops a run at a check that blocks; this holds for later runs, of single stages too."""
    from ops.stages.chain import stage_named

    for name, versions in goal.inputs.items():
        refusal = stage_named(recipe, name).refusal
        for key, version in versions.items():
            found = refusal(version)
            if found:
                where = f"{recipe.name}/{stage.name}[{partition}]"
                raise CheckFailed(f"nothing is built on {name}[{key}]: {found}", where=where)


def current_inputs(stage: Stage, recipe: Recipe, partition: str, store: Store) -> dict[str, dict[str, Version]]:
    """The current versions that a stage reads, by input stage and partition key."""
    from ops.stages.chain import stage_named

    found: dict[str, dict[str, Version]] = {}
    for read in stage.inputs:
        source = stage_named(recipe, read.stage)
        keys = read.keys(partitions_of(source, recipe), partition)
        found[read.stage] = {key: _current(store, recipe, read.stage, key) for key in keys}
    return found


def _current(store: Store, recipe: Recipe, stage: str, partition: str) -> Version:
    version = store.slot(recipe.name, stage, partition).current()
    if version is None:
        raise SatietyError(f"{stage}[{partition}] has not been built", where=recipe.name, hint=f"build {stage} first")
    return version


def _flat(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        return [pair for key, item in value.items() for pair in _flat(item, f"{path}.{key}" if path else str(key))]
    if isinstance(value, list) and value:
        return [pair for index, item in enumerate(value) for pair in _flat(item, f"{path}[{index}]")]
    return [(path, json.dumps(value, ensure_ascii=False, sort_keys=True))]
