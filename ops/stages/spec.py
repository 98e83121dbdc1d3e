"""What a stage is: its inputs, the part of the recipe and the code that its result depends on, and its function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ops.errors import SatietyError
from ops.recipe import Recipe
from ops.storage import Counts, Output, Version

ALL = "all"
"""Key of the one partition of a stage that is not partitioned."""

Record = dict[str, Any]


class Launch(Protocol):
    """Starts the training processes and returns when they have ended well; raises a `SatietyError` otherwise."""

    def __call__(self, run_file: Path, recipe: Recipe, on_record: Callable[[Record], None]) -> None:
        """Run the workers on the resolved `run_file`, handing on each metrics record as it appears."""


def _no_launch(run_file: Path, recipe: Recipe, on_record: Callable[[Record], None]) -> None:
    raise SatietyError("this stage starts training processes and was given no launcher", where=str(run_file))


@dataclass(frozen=True)
class Services:
    """What a stage may ask of the outside, handed down by the caller (ops knows neither Dagster nor MLflow).

    Attributes:
        launch: starts training.
        on_record: receives each metrics record while training runs.
        predictors: processes that share what a model is asked; the answer is the same for any number.
    """

    launch: Launch = _no_launch
    on_record: Callable[[Record], None] = field(default=lambda record: None)
    predictors: int = 1


@dataclass(frozen=True)
class Input:
    """An input stage: its partition of the same key (`every=False`), or all of its partitions (`every=True`).

    With `upto` they are those in the order of partitions up to the same key: what comes after it is not looked at. With
    `pick` they are those that it gives for all keys and the one at hand.
    """

    stage: str
    every: bool = False
    upto: bool = False
    pick: Callable[[list[str], str], list[str]] | None = None

    def keys(self, partitions: list[str], own: str) -> list[str]:
        """Of the input's partitions those that are read for a partition of the reader."""
        if self.pick is not None:
            return self.pick(partitions, own)
        if not self.every and own in partitions:
            return [own]
        return partitions[: partitions.index(own) + 1] if self.upto else partitions


@dataclass(frozen=True)
class Build:
    """Everything one call of a stage's function gets.

    Attributes:
        recipe: the whole recipe; the function may only read what the stage's `config` names.
        partition: the key at hand, or `ALL`.
        inputs: for each input stage its versions by partition key, in partition order.
        output: where results are written.
        work: makes and names a folder that survives a crash, for checkpoints.
        services: the launcher and the listener.
        external: digest of what lies outside the store, as the fingerprint has it; empty where nothing does.
    """

    recipe: Recipe
    partition: str
    inputs: Mapping[str, Mapping[str, Version]]
    output: Output
    work: Callable[[], Path]
    services: Services
    external: str = ""

    def one(self, stage: str) -> Version:
        """The only version of an input: the same partition's, or that of a stage without partitions."""
        (version,) = self.inputs[stage].values()
        return version

    def every(self, stage: str) -> Mapping[str, Version]:
        """All versions of an input, by partition key in partition order."""
        return self.inputs[stage]


@dataclass(frozen=True)
class Stage:
    """One kind of output of the graph.

    Attributes:
        name: name of the asset and of the folder in the store.
        description: one sentence for the web page and the docs.
        partitioned: whether it is mapped over partitions or folds them.
        inputs: the stages it reads.
        config: the part of a recipe that its result depends on, as JSON-able data.
        keys: the top-level keys of a recipe that `config` reads; DVC watches these.
        modules: names of the modules whose code makes the result, beside the stage's own.
        build: the function.
        external: digest of what it reads from outside the store, for a partition.
        fetch: brings what it reads from elsewhere to this machine, telling of names, bytes so far and sizes.
        refusal: what speaks against building anything on a version, in words; empty where nothing does.
    """

    name: str
    description: str
    partitioned: bool
    inputs: tuple[Input, ...]
    config: Callable[[Recipe], dict[str, Any]]
    keys: tuple[str, ...]
    build: Callable[[Build], Counts | None]
    modules: Callable[[Recipe], list[str]] = field(default=lambda recipe: [])
    external: Callable[[Recipe, str], str] | None = None
    fetch: Callable[[Recipe, Callable[[str, int, int | None], None]], None] | None = None
    refusal: Callable[[Version], str] = field(default=lambda version: "")

    @property
    def module(self) -> str:
        """The module that defines the stage's function."""
        return self.build.__module__
