"""Running commands and functions in turns, and what they took."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        name: what was measured.
        value: the figure.
        unit: its unit.
        goal: the goal in words, or nothing.
        met: whether it is met; None without a goal.
        detail: what it was computed from.
    """

    name: str
    value: float
    unit: str
    goal: str = ""
    met: bool | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        """As JSON-able data."""
        return asdict(self)


@dataclass(frozen=True)
class Taken:
    """Wall and CPU seconds (of a command with all its children)."""

    wall_s: float
    cpu_s: float


def environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of a command that keeps its results, and everything else it writes, below `home`."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SATIETY_", "MLFLOW_", "DAGSTER_"))}
    places = {"SATIETY_STORE": str(home / "store"), "SATIETY_HOME": str(home / "home")}
    return {**kept, **places, "PYTHONPATH": str(ROOT), **more}


def one_core() -> dict[str, str]:
    """The environment of a command that computes on one core."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"), "1")
    return {**os.environ, **threads, "PYTHONPATH": str(ROOT)}


def satiety(*words: str) -> list[str]:
    """The command line of `satiety` in this interpreter."""
    return [sys.executable, "-m", "pipelines.cli", *words]


def run(command: Sequence[str], env: Mapping[str, str]) -> Taken:
    """Run a command to its end and take its time; its output is shown only when it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(command, env=dict(env), cwd=ROOT, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return Taken(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def in_turns(times: int, *sides: Callable[[], float]) -> list[list[float]]:
    """Call each side once in turn, `times` times; returns each side's seconds, one warm-up of each left out."""
    for side in sides:
        side()
    taken: list[list[float]] = [[] for _ in sides]
    for _ in range(times):
        for values, side in zip(taken, sides, strict=True):
            values.append(side())
    return taken


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)
