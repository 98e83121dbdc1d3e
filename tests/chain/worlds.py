"""The whole chain of the tiny recipe without Dagster; training runs in forked processes, which import nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from ops.errors import TrainingFailed
from ops.recipe import Recipe
from ops.stages.chain import DATA_STAGES, stages
from ops.stages.run import Built, build_stage, partitions_of
from ops.stages.spec import ALL, Launch, Services
from ops.storage import Store, Version
from pipelines.recipe import load
from tests.ops.training.runs import work, work_together
from tests.tiny import DATA, tiny_recipe

Modality = Literal["text", "image"]
Place = tuple[str, str]
"""Stage and partition."""

EVERYTHING = (*DATA, "model", "report")


@dataclass(frozen=True)
class World:
    """A recipe's file with its data, and a store."""

    path: Path
    store: Store

    def recipe(self, *overrides: str) -> Recipe:
        return load(str(self.path), overrides).recipe

    def version(self, stage: str, partition: str = ALL) -> Version:
        version = self.store.slot(self.recipe().name, stage, partition).current()
        assert version is not None, f"{stage}[{partition}] is not built"
        return version

    def build(self, names: Collection[str] | None = None, *overrides: str) -> dict[Place, Built]:
        """Build the named stages of its recipe, all by default, with some keys said otherwise."""
        recipe = self.recipe(*overrides)
        return build(recipe, self.store, [stage.name for stage in stages(recipe)] if names is None else names)

    def every(self, stage: str) -> dict[str, Version]:
        return {key: self.version(stage, key) for key in self.recipe().partition_keys()}


def build(
    recipe: Recipe, store: Store, names: Collection[str] = EVERYTHING, launch: Launch | None = None
) -> dict[Place, Built]:
    """Build the named stages, in the order of the chain."""
    services = Services(launch=launch or forked)
    chosen = [stage for stage in stages(recipe) if stage.name in names]
    places = [(stage, key) for stage in chosen for key in partitions_of(stage, recipe)]
    return {(stage.name, key): build_stage(stage, recipe, key, store, services) for stage, key in places}


def forked(run_file: Path, recipe: Recipe, on_record: Callable[[dict[str, Any]], None]) -> None:
    """Train as the launcher would, in processes that have everything imported."""
    world = recipe.launch.world_size
    codes = [work(run_file)] if world == 1 else work_together(run_file, world)
    if any(codes):
        raise TrainingFailed(f"the workers ended with {codes}", where=str(run_file))


def never(run_file: Path, recipe: Recipe, on_record: Callable[[dict[str, Any]], None]) -> None:
    """A launcher for what must not train."""
    raise AssertionError(f"{run_file}: trained again")


def make(folder: Path, modality: Modality = "text", **overrides: Any) -> World:
    """A recipe with its data in a new folder, and an empty store."""
    return World(tiny_recipe(folder, modality=modality, **overrides), Store(folder / "store"))


@cache
def built(base: Path, modality: Modality) -> World:
    """A world whose data stages are built; for all tests of a session, so read only."""
    world = make(base / f"built-{modality}", modality)
    build(world.recipe(), world.store, DATA_STAGES)
    return world


@cache
def trained(base: Path, modality: Modality) -> World:
    """A world in which everything is built; for all tests of a session, so read only."""
    world = copied(built(base, modality), base / f"trained-{modality}")
    build(world.recipe(), world.store)
    return world


def copied(world: World, folder: Path) -> World:
    """The same in another folder, for a test that changes it."""
    shutil.copytree(world.path.parent, folder)
    return World(folder / world.path.name, Store(folder / "store"))


def manifests(store: Store, recipe: str = "tiny", but: Collection[str] = ()) -> dict[str, bytes]:
    """The manifest in use of every stage and partition, but for some stages."""
    found = sorted((store.root / recipe).glob("*/*/current/manifest.json"))
    named = {"/".join(path.parts[-4:-2]): path.read_bytes() for path in found}
    return {place: content for place, content in named.items() if place.split("/")[0] not in but}


def remove(version: Version) -> None:
    """Take a version out of the store, as if it had never been committed."""
    slot = version.path.parent
    for path in (version.path, slot / "current"):
        shutil.rmtree(path)
    (slot / "history").unlink()


def yaml_without(path: Path, *keys: str) -> str:
    """The recipe's text without one key."""
    data = yaml.safe_load(path.read_text())
    inner = data
    for key in keys[:-1]:
        inner = inner[key]
    del inner[keys[-1]]
    return yaml.safe_dump(data, sort_keys=False)
