"""The resolved run: everything that the training processes are told, as one JSON file (`run.json`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from ops.augmentation.forms import Form
from ops.config import Config
from ops.errors import ConfigError
from ops.nn.models.base import Model
from ops.nn.spec import InputSpec
from ops.registry import discover, named
from ops.tasks.base import Task
from ops.training.config import TrainingConfig

Kind = TypeVar("Kind", bound=Config)


class CacheInput(Config):
    """One partition of the token cache."""

    partition: str
    """Key of the partition."""
    path: str
    """Folder with `data.bin` and `index.arrow`, whose files the parent has verified."""
    files: dict[str, str]
    """SHA-256 (hex) by file name, checked again before use."""


class Vocabulary(Config):
    """A tokenizer's file."""

    path: str
    """Where it is."""
    sha256: str
    """SHA-256 (hex) of its bytes, checked before use."""


class Changes(Config):
    """What is done to training examples while they are loaded."""

    steps: Annotated[list[dict[str, Any]], Field(min_length=1)]
    """The recipe's steps of augmentation, at the strength that is used."""
    form: Form | None = None
    """What they read, where that is not what the model reads."""
    vocabulary: Vocabulary | None = None
    """What texts are tokenised with."""


class RunSpec(Config):
    """What `run.json` holds."""

    task: dict[str, Any]
    """The recipe's task."""
    model: dict[str, Any]
    """The recipe's model."""
    training: TrainingConfig
    """The recipe's training."""
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    """Seed of initial weights, order of examples and dropout."""
    classes: list[str] = []
    """Names of the classes, in the order of their numbers; none where the task has none."""
    inputs: Annotated[list[CacheInput], Field(min_length=1)]
    """Partitions of the token cache, in order."""
    input: InputSpec
    """What the model reads."""
    changes: Changes | None = None
    """Augmentation on the fly; none where copies are stored."""
    work: str
    """Folder for metrics, logs, checkpoints and the result."""
    world_size: Annotated[int, Field(ge=1)] = 1
    """Number of processes that are expected."""
    resume: bool = True
    """Whether to go on from the newest whole checkpoint."""

    @property
    def folder(self) -> Path:
        """The work folder."""
        return Path(self.work)

    def task_value(self) -> Task:
        """The task as its own kind."""
        return kind_value(self.task, "ops.tasks", Task, "task")

    def model_value(self) -> Model:
        """The model as its own kind."""
        return kind_value(self.model, "ops.nn.models", Model, "model")


def read_run(path: Path) -> RunSpec:
    """Read and check a `run.json`.

    Raises:
        ConfigError: it is not there, no JSON, or says something that is not allowed.
    """
    try:
        return RunSpec.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"cannot read the run: {error.strerror}", where=str(path)) from error
    except ValidationError as error:
        raise ConfigError(_first(error), where=str(path)) from error


def kind_value(value: dict[str, Any], package: str, base: type[Kind], where: str) -> Kind:
    """The value as the kind that it names, of those in a package.

    Raises:
        ConfigError: there is no such kind, or the settings are wrong.
    """
    # A kind is mostly in the module of its name: the others need not be read for it.
    kind = named(package, str(value.get("kind")), base=base)
    if kind is None:
        kinds = discover(package, base=base)
        kind = kinds.get(str(value.get("kind")))
    if kind is None:
        raise ConfigError(f"there is no {where} {value.get('kind')!r}", where=where, hint=f"one of {', '.join(kinds)}")
    try:
        # Through JSON, where a strict model takes a list for a tuple.
        found = kind.model_validate_json(json.dumps(value))
    except ValidationError as error:
        raise ConfigError(_first(error), where=where) from error
    if not isinstance(found, base):
        raise ConfigError(f"{where} is no {base.__name__}", where=where)
    return found


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])
