"""The Dagster resource behind every asset: the store, the engine and the tracking that the machine's settings name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from ops.errors import SatietyError
from ops.recipe import Recipe
from ops.stages.raw_corpus import looks_once
from ops.stages.run import Built, build_stage
from ops.stages.run import wanted as goal_of
from ops.stages.spec import ALL, Services, Stage
from ops.storage import Store
from resources.engine import open_engine
from resources.launcher import LaunchPlan, launch
from resources.progress import publish
from resources.settings import Settings
from resources.store import open_store
from resources.tracking import Tracker

OnBuilt = Callable[[Built, int, int], None]
"""Told of each partition that is done, how many are done, and of how many."""


@dataclass(frozen=True)
class Workspace:
    """What assets ask of the outside.

    Attributes:
        settings: the machine's settings.
    """

    settings: Settings

    def store(self) -> Store:
        """Where outputs lie."""
        return open_store(self.settings)

    def tracker(self) -> Tracker:
        """Where trainings are recorded."""
        return Tracker(self.settings)

    def build(self, recipe: Recipe, stage: Stage, keys: list[str] | None, on_built: OnBuilt) -> list[Built]:
        """Build the partitions (None: the one of a fold), several at once; returned in the order of `keys`."""
        wanted = [ALL] if keys is None else keys
        publish("stage", stage.name, partitions=len(wanted))
        if stage.fetch is not None and recipe.source.remotes() and self._is_missing(recipe, stage, wanted):
            self.settings.export()
            stage.fetch(recipe, partial(_downloading, stage.name))
        root = self.store().root
        there = self._there(recipe, stage, wanted)
        jobs = [(recipe, stage.name, key, root) for key in wanted if key not in there]
        reused = map(build_partition, [(recipe, stage.name, key, root) for key in there])
        found: dict[str, Built] = {}
        for built in chain(reused, open_engine(self.settings.engine, root).map(build_partition, jobs)):
            found[built.partition] = built
            done(built, len(found), len(wanted))
            on_built(built, len(found), len(wanted))
        publish("done", stage.name)
        return [found[key] for key in wanted]

    def train(
        self, recipe: Recipe, stage: Stage, on_record: Callable[[dict[str, Any]], None] = lambda record: None
    ) -> Built:
        """Build the one partition of a fold that starts training processes, in this process and on this machine."""
        publish("stage", stage.name, partitions=1)

        def told(record: dict[str, Any]) -> None:
            on_record(record)
            publish("record", stage.name, record=record)

        built = build_stage(stage, recipe, ALL, self.store(), Services(_launch, told))
        done(built, 1, 1)
        publish("done", stage.name)
        return built

    def _there(self, recipe: Recipe, stage: Stage, keys: list[str]) -> list[str]:
        """The partitions that only have to be found: starting processes takes longer than that, some seconds.

        None where the source would have to be hashed for it: that is work for the engine.
        """
        if stage.external is not None and not looks_once():
            return []
        store = self.store()
        try:
            return [key for key in keys if self._is_there(recipe, stage, key, store)]
        except (SatietyError, OSError):  # Told by who builds it.
            return []

    @staticmethod
    def _is_there(recipe: Recipe, stage: Stage, key: str, store: Store) -> bool:
        slot = store.slot(recipe.name, stage.name, key)
        return bool(slot.fingerprints()) and slot.version(goal_of(stage, recipe, key, store).fingerprint) is not None

    def _is_missing(self, recipe: Recipe, stage: Stage, keys: list[str]) -> bool:
        """Whether a partition is still to be built: what is there already needs nothing from elsewhere."""
        store = self.store()
        return not all(self._is_there(recipe, stage, key, store) for key in keys)


def _launch(run_file: Path, recipe: Recipe, on_record: Callable[[dict[str, Any]], None]) -> None:
    launch(LaunchPlan(run_file, run_file.parent, recipe.launch), on_record)


def _downloading(stage: str, name: str, done: int, of: int | None) -> None:
    publish("download", stage, name=name, done=done, of=of)


def done(built: Built, count: int, of: int) -> None:
    """Publish that a partition is done."""
    counts = built.version.manifest.counts
    rows = counts.rows_out if counts is not None else None
    lost = {"rejected": dict(counts.rejected), "dropped": dict(counts.dropped)} if counts is not None else {}
    publish("partition", built.stage, key=built.partition, built=built.built, rows=rows, done=count, of=of, **lost)


def build_partition(job: tuple[Recipe, str, str, Path]) -> Built:
    """Build one partition; runs in a process of the engine, so it takes names and not functions."""
    from ops.stages.chain import stage_named

    recipe, stage, key, store = job
    return build_stage(stage_named(recipe, stage), recipe, key, Store(store), Services())
