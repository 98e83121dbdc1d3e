"""`satiety run` ended from outside while it trains: no process is left, the next run goes on from the checkpoint."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.e2e.servers import processes_with, until
from tests.tiny import tiny_recipe

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

RANKS = 2


class Training:
    """`satiety run` of a recipe that would train for hours, followed through its files."""

    def __init__(self, recipe: Path) -> None:
        folder = recipe.parent
        self.scratch = folder / "store" / ".work"
        self.known = len(list(self.scratch.rglob("attempt-*")))
        self.environment = {
            **os.environ,
            "SATIETY_HOME": str(folder / "home"),
            "SATIETY_STORE": str(folder / "store"),
            "SATIETY_TRACKING": "off",
            "SATIETY_WORKERS": "1",
        }
        self.command = [sys.executable, "-m", "pipelines.cli", "run", str(recipe)]
        self.process = subprocess.Popen(
            self.command,
            env=self.environment,
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def trains(self) -> list[psutil.Process]:
        """The processes of the training when a checkpoint of this attempt is there: guard, torchrun, ranks."""

        def begun() -> bool:
            assert self.process.poll() is None, self.process.communicate()[0]
            return len(list(self.scratch.rglob("attempt-*"))) > self.known and self.step() > before

        before = self.step()
        until(begun, 120, "a checkpoint")
        found = processes_with(str(self.scratch))
        assert len(found) == 2 + RANKS
        return found

    def step(self) -> int:
        """The newest checkpoint's step, 0 without one."""
        return max((int(path.name[5:]) for path in self.scratch.rglob("checkpoints/step-*")), default=0)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe; its data are built by the first test that runs it."""
    folder = tmp_path_factory.mktemp("interrupt")
    training = {"steps": 10_000_000, "checkpoint_every": 20}
    return tiny_recipe(folder, name="slow", training=training, launch={"processes": RANKS})


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "term"])
def test_a_signal_ends_all_ranks_and_the_same_command_goes_on(recipe: Path, number: int, code: int) -> None:
    run = Training(recipe)
    before = run.step()
    ranks = run.trains()
    run.process.send_signal(number)
    said, _ = run.process.communicate(timeout=60)
    assert run.process.returncode == code, said
    assert f"resume: satiety run {recipe}" in said
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(ranks, timeout=5)
    assert not alive
    (log,) = run.scratch.rglob("rank0.log")
    assert [int(step) for step in re.findall(r"going on after step (\d+)", log.read_text())][-1:] == [before] * bool(
        before
    )


def test_a_killed_command_leaves_no_rank(recipe: Path) -> None:
    run = Training(recipe)
    ranks = run.trains()
    run.process.kill()
    run.process.communicate(timeout=60)
    _, alive = psutil.wait_procs(ranks, timeout=30)
    assert not alive
