"""Killed, or let down by the disk, at every change of the file system: old or new, never torn, and a rerun mends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import DATA

REPOSITORY = Path(__file__).parents[2]


def crash(folder: Path, fault: str, stride: int, *stages: str, recipe: str = "tiny") -> dict[str, int]:
    """Number of calls of each stage; see `tests/chain/crash.py`, which makes all assertions."""
    command = [sys.executable, "-m", "tests.chain.crash", fault, str(stride), str(folder), recipe, *stages]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    calls: dict[str, int] = json.loads(done.stdout)
    assert list(calls) == list(stages)
    assert min(calls.values()) > 40
    return calls


def test_a_stage_killed_at_some_calls(tmp_path: Path) -> None:
    crash(tmp_path / "world", "kill", 8, "clean_corpus")


@pytest.mark.slow
def test_every_data_stage_killed_at_every_call(tmp_path: Path) -> None:
    crash(tmp_path / "world", "kill", 1, *DATA)


FOLDS = ("scores", "signatures", "bands", "pairs", "duplicates", "fitted", "clean_corpus")
"""What the tiny recipe lacks, and what it has less of."""


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "stride"), [("kill", 4), ("enospc", 31)])
def test_the_stages_of_a_recipe_with_all_folds_at_some_calls(tmp_path: Path, fault: str, stride: int) -> None:
    crash(tmp_path / "world", fault, stride, *FOLDS, recipe="rich")


@pytest.mark.slow
def test_the_commit_of_a_model_killed_at_every_call(tmp_path: Path) -> None:
    """The training is done: nothing is trained again, whatever happens to the commit."""
    crash(tmp_path / "world", "kill", 1, "model")


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "stride"), [("enospc", 11), ("eio", 17)])
def test_a_full_or_failing_disk_at_some_calls_of_every_data_stage(tmp_path: Path, fault: str, stride: int) -> None:
    crash(tmp_path / "world", fault, stride, *DATA)
