"""model: training through torchrun, from the token caches to weights, and what was measured on the way."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from ops.errors import BadData, Temporary, TrainingFailed
from ops.recipe import Recipe
from ops.stages.originals import form_of, late
from ops.stages.rows import row_spec
from ops.stages.settled import STRENGTH, SWEEP, settled
from ops.stages.spec import Build, Input, Stage
from ops.storage import Version
from ops.storage.files import unlink, write_file
from ops.tasks.base import Task
from ops.training.changing.base import CHANGING, MODULES
from ops.training.inputs import cache_inputs

LOG_BYTES = 1 << 16
"""What torchrun and the ranks write to say why they end, at most."""

RESULT_FILES = ("model.safetensors", "model.json", "history.jsonl", "valid.json")


def _config(recipe: Recipe) -> dict[str, Any]:
    # The number of ranks and threads changes the order of floating-point sums, hence the bits; where they run does not.
    ranks = {"world_size": recipe.launch.world_size, "threads": recipe.launch.threads}
    parts = recipe.part("task", "model", "training", "seed")
    del parts["training"]["loader"]  # how examples are read changes no bit of the result
    if late(recipe):
        parts |= recipe.part("augmentation")
        del parts["augmentation"]["search"]  # what it found is an input
    return {**parts, **ranks}


def _modules(recipe: Recipe) -> list[str]:
    kinds = (recipe.task, recipe.model)
    return [
        "ops.training.worker",
        "ops.training.crew_worker",
        *(type(kind).__module__ for kind in kinds),
        *change_modules(recipe),
    ]


def change_modules(recipe: Recipe) -> list[str]:
    """The modules that change examples on the fly."""
    augmentation = recipe.augmentation
    if augmentation is None or not late(recipe):
        return []
    kinds = [augmentation, *augmentation.steps, *([recipe.tokenizer] if recipe.tokenizer is not None else [])]
    own = f"{CHANGING}.{MODULES[recipe.task.form]}"
    return list(dict.fromkeys([own, *(type(value).__module__ for value in kinds)]))


def _changes(build: Build) -> dict[str, Any]:
    """What is done to training examples on the fly."""
    recipe = build.recipe
    if recipe.augmentation is None or not late(recipe):
        return {}
    steps = [step.model_dump(mode="json") for step in recipe.augmentation.settled().steps]
    form = form_of(next(iter(build.every("token_cache").values())))
    changes: dict[str, Any] = {"steps": steps, "form": form}
    if form is not None and form["kind"] == "text":
        version, name = build.one("tokenizer"), "tokenizer.json"
        entry = version.manifest.entry(name)
        changes["vocabulary"] = {"path": str(version.file(name)), "sha256": entry.sha256 if entry else ""}
    return {"changes": changes}


def _build(build: Build) -> None:
    build = settled(build)
    work = build.work()
    result = work / "result"
    # A crash after training and before the commit leaves the finished result: nothing is trained twice.
    if not _is_whole(result):
        run_file = work / "run.json"
        write_file(run_file, json.dumps(run_spec(build, work), indent=1, sort_keys=True).encode())
        _launch(build, run_file)
    if not _is_whole(result):
        raise TrainingFailed("the training processes ended well but left no whole result", where=str(work))
    for name in RESULT_FILES:
        build.output.adopt(name, result / name)
    build.output.cost(json.loads((result / "cost.json").read_text(encoding="utf-8")))
    valid = _headline(build.recipe.task, json.loads((result / "valid.json").read_text(encoding="utf-8")))
    build.output.facts({"valid": valid, "lost": build.recipe.task.lost(valid)})


def _launch(build: Build, run_file: Path) -> None:
    """Train; where the processes end without a word because there is no space to leave one, say so."""
    try:
        build.services.launch(run_file, build.recipe, build.services.on_record)
    except (TrainingFailed, Temporary):
        probe = run_file.with_name("space")
        write_file(probe, bytes(LOG_BYTES))
        unlink(probe)
        raise


def _is_whole(result: Path) -> bool:
    """Whether the training processes have left a result there, with the bytes that they wrote."""
    if not result.is_dir():
        return False
    from ops.training.result import is_done  # brings torch

    return is_done(result)


def _headline(task: Task, valid: dict[str, Any]) -> dict[str, float]:
    """Loss and metrics on the validation split, and those of the naive rival."""
    if "tally" not in valid:
        raise BadData("the model was judged on no validation row", where="model", hint="raise split.valid")
    return {"loss": valid["loss"], **valid["metrics"], **task.naive(np.array(valid["tally"]))}


def run_spec(build: Build, work: Path) -> dict[str, Any]:
    """What the workers need and nothing else: settings, classes, the form of the input, verified cache folders."""
    recipe = build.recipe
    statistics = build.one("statistics").json("statistics.json")
    return {
        **recipe.part("task", "model", "training", "seed"),
        **_changes(build),
        "classes": statistics.get("classes", []),
        "input": input_spec(build, statistics),
        "inputs": [part.model_dump(mode="json") for part in cache_inputs(build.every("token_cache"))],
        "work": str(work),
        "world_size": recipe.launch.world_size,
        "resume": True,
    }


def input_spec(build: Build, statistics: dict[str, Any]) -> dict[str, Any]:
    """The form of one example: a vocabulary and longest length; or a shape, and moments of pixels, mels or features."""
    if "tokenizer" in build.inputs:
        longest = max(int(v.manifest.facts["longest"]) for v in build.every("token_cache").values())
        facts = build.one("tokenizer").manifest.facts
        if late(build.recipe):  # changed texts may be longer than those that are stored
            form = form_of(next(iter(build.every("token_cache").values()))) or {}
            longest = int(form["tokenizer"]["max_length"])
        return {
            "kind": "text",
            "vocabulary": facts["vocabulary"],
            "max_length": max(longest, 1),
            "pad": facts["pad"],
        }
    if "series" in statistics:
        return {"kind": "series", **statistics["series"]}
    if "row" in statistics:
        return {"kind": "row", **row_spec(statistics["row"])}
    if "sound" in statistics:
        found = statistics["sound"]
        return {
            "kind": "sound",
            "frames": found["height"],
            "mels": found["channels"],
            "mean": found["mean"],
            "std": found["std"],
        }
    return {"kind": "image", **statistics["image"]}


def _refusal(version: Version) -> str:
    valid = version.manifest.facts["valid"]
    if not math.isfinite(valid["loss"]):
        return "its loss on the validation split is not finite"
    return str(version.manifest.facts["lost"])


def model_stage(vocabulary: bool, strength: bool = False, sweep: bool = False) -> Stage:
    """The stage, with the tokenizer, the searched strength of changes on the fly and the sweep where there are such."""
    return Stage(
        name="model",
        description="The trained model, its learning curve and what the training cost.",
        partitioned=False,
        inputs=(
            Input("token_cache", every=True),
            Input("statistics"),
            *((Input("tokenizer"),) if vocabulary else ()),
            *((Input(STRENGTH),) if strength else ()),
            *((Input(SWEEP),) if sweep else ()),
        ),
        config=_config,
        keys=("task", "model", "training", "augmentation", "seed", "launch"),
        build=_build,
        modules=_modules,
        refusal=_refusal,
    )
