"""A training rank killed at several steps: the launcher's retry, or the same command again, ends with the same bits."""

from __future__ import annotations

import json
import os
import shlex
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops.recipe import Recipe
from ops.stages.chain import stage_named
from ops.stages.run import build_stage, wanted
from ops.stages.spec import ALL, Services
from ops.storage import verify
from resources.launcher import LaunchPlan, launch
from tests.chain import worlds
from tests.chain.command import command, overrides, satiety, start
from tests.chain.worlds import World

LONG = ("training.steps=240", "training.checkpoint_every=40", "training.log_every=5")
"""Long enough that a rank can be caught in the middle."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=[1, 2], ids=["one rank", "two ranks"])
def undisturbed(
    request: pytest.FixtureRequest, text: World, tmp_path_factory: pytest.TempPathFactory
) -> tuple[World, int]:
    """A trained model, and the number of processes that trained it."""
    world = worlds.copied(text, tmp_path_factory.mktemp("undisturbed") / "world")
    worlds.build(world.recipe(*LONG, f"launch.processes={request.param}"), world.store, ["model"])
    return world, request.param


def kill_rank(work: Path, rank: int) -> None:
    name = "heartbeat" if rank == 0 else f"heartbeat-{rank}"
    os.kill(json.loads((work / name).read_text())["pid"], signal.SIGKILL)


def killing(kills: list[tuple[int, int]], attempts: list[int]) -> Callable[..., None]:
    """The launcher, but at each (step, rank) that rank is killed; the number of attempts is noted."""
    left = list(kills)

    def follow(work: Path, record: dict[str, Any]) -> None:
        if left and record["step"] >= left[0][0]:
            kill_rank(work, left.pop(0)[1])

    def start_ranks(run_file: Path, recipe: Recipe, on_record: object) -> None:
        work = run_file.parent
        done = launch(LaunchPlan(run_file, work, recipe.launch), lambda record: follow(work, record))
        attempts.append(done.attempts)

    return start_ranks


def test_a_rank_killed_at_several_steps_is_started_again_by_the_launcher(
    undisturbed: tuple[World, int], text: World, tmp_path: Path
) -> None:
    expected, ranks = undisturbed
    world = worlds.copied(text, tmp_path / "world")
    recipe = world.recipe(*LONG, f"launch.processes={ranks}", "launch.retries=2", "launch.grace_s=1")
    kills, attempts = ([(50, 0), (130, 0)] if ranks == 1 else [(70, 1)]), [0]
    services = Services(launch=killing(kills, attempts))
    built = build_stage(stage_named(recipe, "model"), recipe, ALL, world.store, services)
    assert attempts[-1] == 1 + len(kills), "a kill came too late to matter"
    assert built.version.digest == expected.version("model").digest
    assert worlds.manifests(world.store) == worlds.manifests(expected.store)


@pytest.mark.parametrize("undisturbed", [1], indirect=True)
def test_the_same_command_again_goes_on_where_the_rank_was_killed(
    undisturbed: tuple[World, int], text: World, tmp_path: Path
) -> None:
    expected, _ = undisturbed
    world = worlds.copied(text, tmp_path / "world")
    settings = overrides(*LONG, "launch.retries=0")
    recipe = world.recipe(*LONG)
    stage = stage_named(recipe, "model")
    work = world.store.slot("tiny", "model").work_path(wanted(stage, recipe, ALL, world.store).fingerprint)
    process = start(world, "run", "tiny.yaml", *settings, "--stage", "model")
    for step in (50, 130):  # the launcher's retries are off, Dagster's op has one of its own
        wait_for_step(work, step)
        kill_rank(work, 0)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 75, err[-3000:]
    (error,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "rank 0 was killed (signal 9)" in error
    (resume,) = [line.removeprefix("resume: ") for line in err.splitlines() if line.startswith("resume: ")]
    assert world.store.slot("tiny", "model").current() is None and verify(world.store) == []

    program, *words = shlex.split(resume)
    assert program == "satiety" and command(*words)
    done = satiety(world, *words)
    assert done.returncode == 0, done.stderr[-3000:]
    assert world.version("model").digest == expected.version("model").digest
    assert worlds.manifests(world.store) == worlds.manifests(expected.store)
    assert "going on after step" in (work / "logs" / "rank0.log").read_text()


def wait_for_step(work: Path, step: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        lines = (work / "metrics.jsonl").read_text().splitlines() if (work / "metrics.jsonl").exists() else []
        if any(line.startswith("{") and f'"step":{step}' in line.replace(" ", "") for line in lines):
            return
        time.sleep(0.02)
    raise AssertionError(f"step {step} never came")
