"""Every family of models through the training processes: it learns, and stops and ranks change nothing."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from pipelines.problems import RecipeError
from pipelines.recipe import load
from tests.ops.training.runs import (
    finish,
    free_port,
    hashes,
    image_run,
    log,
    start,
    text_run,
    wait_for_lines,
    work,
    work_together,
)

TEXTS: list[dict[str, Any]] = [
    {"kind": "text_cnn", "dim": 16, "filters": 32, "widths": [2, 3], "dropout": 0.1},
    {"kind": "recurrent_encoder", "dim": 8, "hidden": 8, "dropout": 0.1},
    {"kind": "recurrent_encoder", "dim": 8, "hidden": 8, "cell": "gru", "layers": 2, "pooling": "max"},
]

IMAGES: list[dict[str, Any]] = [
    {"kind": "resnet", "widths": [6, 8]},
    {"kind": "mobilenet", "widths": [4, 6], "blocks": 1, "expansion": 2, "last": 16},
    {"kind": "compact_transformer", "dim": 16, "depth": 1, "heads": 2},
]


@pytest.mark.parametrize("model", [*TEXTS, *IMAGES], ids=lambda model: str(model["kind"]))
def test_recipes_take_it_for_its_tasks_and_for_no_other(model: dict[str, Any]) -> None:
    own, other = ("digits", "quickstart") if model in IMAGES else ("quickstart", "digits")
    setting = f"model={json.dumps(model)}"
    assert load(own, [setting]).recipe.model.kind == model["kind"]
    with pytest.raises(RecipeError, match=f"{model['kind']} reads"):
        load(other, [setting])


def make(folder: Path, model: dict[str, Any], training: dict[str, Any] | None = None, **settings: Any) -> Path:
    chosen = image_run if model in IMAGES else text_run
    return chosen(folder, training, model=model, **settings)


@pytest.mark.parametrize("model", [*TEXTS, *IMAGES], ids=lambda model: str(model["kind"]))
def test_it_learns(tmp_path: Path, model: dict[str, Any]) -> None:
    run = make(tmp_path, model, {"steps": 60, "learning_rate": 0.01, "optimizer": "muon"})
    assert work(run) == 0
    valid = json.loads((run.parent / "result" / "valid.json").read_text())
    assert valid["metrics"]["accuracy"] > 0.8  # by chance a third, or a half


@pytest.mark.parametrize("model", [*TEXTS, *IMAGES], ids=lambda model: str(model["kind"]))
def test_killed_the_result_has_the_same_bytes(tmp_path: Path, model: dict[str, Any]) -> None:
    whole, killed = make(tmp_path / "whole", model), make(tmp_path / "killed", model)
    assert work(whole) == 0
    assert work(killed, SATIETY_FAULT="kill@70") == -signal.SIGKILL
    assert work(killed) == 0
    assert "going on after step" in log(killed)
    assert hashes(killed) == hashes(whole)


NORMED = IMAGES[0]
"""With BatchNorm, whose running values each process moves by its own examples."""
LONG = {"steps": 24, "batch_size": 7, "evaluate_every": 1, "log_every": 1, "checkpoint_every": 5}
"""36 training images in batches of 7: one image is left, which the second of two processes has no part of."""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = make(tmp_path_factory.mktemp("undisturbed"), NORMED, LONG, world_size=2)
    assert work_together(run) == [0, 0]
    return run


def test_with_batch_norm_two_processes_killed_go_on_exactly(tmp_path: Path, undisturbed: Path) -> None:
    """Also what is said of the validation split after each step, half of it by the second process's running values."""
    run = make(tmp_path, NORMED, LONG, world_size=2)
    assert work_together(run, SATIETY_FAULT="kill@120") == [-signal.SIGKILL, 75]
    assert work_together(run) == [0, 0]
    assert "going on after step" in log(run)
    assert hashes(run) == hashes(undisturbed)


def test_with_batch_norm_two_processes_stop_at_any_step_and_go_on_exactly(tmp_path: Path, undisturbed: Path) -> None:
    run, port = make(tmp_path, NORMED, LONG, world_size=2), free_port()
    children = [start(run, rank, 2, port) for rank in range(2)]
    wait_for_lines(run, 9)
    os.kill(children[1], signal.SIGTERM)
    assert [finish(child) for child in children] == [143, 143]
    assert work_together(run) == [0, 0]
    assert hashes(run) == hashes(undisturbed)


def test_running_values_of_two_processes_are_those_of_all_examples(tmp_path: Path) -> None:
    """The first layer sees the images alone: its running mean does not depend on how many processes see them."""
    settings = {**LONG, "steps": 6, "optimizer": "sgd", "learning_rate": 1e-9}
    runs = [make(tmp_path / str(world), NORMED, settings, world_size=world) for world in (1, 2)]
    assert work(runs[0]) == 0
    assert work_together(runs[1]) == [0, 0]
    one, two = (load_file(run.parent / "result" / "model.safetensors") for run in runs)
    assert torch.allclose(one["stem.1.running_mean"], two["stem.1.running_mean"], atol=1e-6)
    assert one["stem.1.running_mean"].abs().max() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["zero1", "fsdp"])
@pytest.mark.parametrize("model", [IMAGES[0], TEXTS[2]], ids=lambda model: str(model["kind"]))
def test_other_strategies_train_them_and_go_on_exactly(tmp_path: Path, model: dict[str, Any], strategy: str) -> None:
    settings = {"steps": 12, "batch_size": 8, "checkpoint_every": 3, "evaluate_every": 2, "optimizer": "muon"}
    runs = [make(tmp_path / str(n), model, {**settings, "strategy": strategy}, world_size=2) for n in range(2)]
    assert work_together(runs[0]) == [0, 0], log(runs[0])[-2000:]
    assert work_together(runs[1], SATIETY_FAULT="kill@100") == [-signal.SIGKILL, 75]
    assert work_together(runs[1]) == [0, 0]
    assert "going on after step" in log(runs[1])
    assert hashes(runs[1]) == hashes(runs[0])
