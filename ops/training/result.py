"""The result of training: the weights, and a description from which the model can be built again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from safetensors.torch import load as load_tensors
from torch import nn

from ops.errors import IntegrityError
from ops.nn.models.base import Model
from ops.nn.spec import InputSpec, Spec
from ops.storage.files import fsync_folder, make_folder, remove_tree, rename, write_file
from ops.storage.hashing import canonical_json, sha256_file
from ops.tasks.base import Task
from ops.training.run import RunSpec, kind_value

FORMAT = 1
DONE = "done.json"


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained model, ready to predict.

    Attributes:
        network: the network with its weights, set to evaluation.
        task: what it is for.
        model: its kind and settings.
        spec: what it reads.
        classes: names of its classes; none where the task has none.
    """

    network: nn.Module
    task: Task
    model: Model
    spec: Spec
    classes: list[str]


def describe(run: RunSpec, step: int, parameters: int) -> dict[str, Any]:
    """`model.json`: everything but the weights.

    Args:
        run: the run that trained it.
        step: updates after which the weights were taken.
        parameters: number of trained values.
    """
    model, task, spec = run.model_value(), run.task_value(), run.input
    outputs = task.outputs(len(run.classes), spec)
    return {
        "format": FORMAT,
        "model": model.model_dump(mode="json"),
        "task": task.model_dump(mode="json"),
        "input": spec.model_dump(mode="json"),
        "classes": run.classes,
        "parameters": parameters,
        "flops_per_example": model.flops(spec, outputs),
        "step": step,
        "seed": run.seed,
    }


def load_model(description: Mapping[str, Any], weights: bytes) -> Trained:
    """Build the model that `describe` described.

    Args:
        description: what `model.json` says.
        weights: bytes of `model.safetensors`, verified by the caller.

    Raises:
        IntegrityError: the weights are those of another model.
    """
    if description.get("format") != FORMAT:
        raise IntegrityError("the model is of another format", where="model.json")
    model = kind_value(description["model"], "ops.nn.models", Model, "model")
    task = kind_value(description["task"], "ops.tasks", Task, "task")
    spec: Spec = TypeAdapter(InputSpec).validate_python(description["input"])
    classes = list(description["classes"])
    network = model.build(spec, task.outputs(len(classes), spec))
    try:
        network.load_state_dict(load_tensors(weights))
    except RuntimeError as error:
        raise IntegrityError("the weights are those of another model", where="model.safetensors") from error
    return Trained(network.eval(), task, model, spec, classes)


def write_result(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the result's files, `done.json` last, under a hidden name, and rename the folder."""
    hidden = folder.with_name(f".{folder.name}.part")
    remove_tree(hidden)
    make_folder(hidden)
    written = {name: write_file(hidden / name, data).sha256 for name, data in files.items()}
    write_file(hidden / DONE, canonical_json({"format": FORMAT, "files": written}).encode())
    fsync_folder(hidden)
    remove_tree(folder)
    rename(hidden, folder)
    fsync_folder(folder.parent)


def is_done(folder: Path) -> bool:
    """Whether the folder holds a whole result, with the bytes that `done.json` says."""
    try:
        files = json.loads((folder / DONE).read_bytes())["files"]
        return bool(files) and all(sha256_file(folder / name) == sha256 for name, sha256 in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
