"""The command `satiety` as users start it, in a world's folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.chain.worlds import World

REPOSITORY = Path(__file__).parents[2]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "pipelines.cli", *words]


def environment(world: World, **more: str) -> dict[str, str]:
    """One thread, one worker, and a store and a home of the world's own."""
    own = {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(REPOSITORY),
        "SATIETY_HOME": str(world.path.parent / "home"),
        "SATIETY_STORE": str(world.store.root),
        "SATIETY_TRACKING": "off",
        "SATIETY_WORKERS": "1",
    }
    return {**os.environ, **own, **more}


def start(world: World, *words: str, **more: str) -> subprocess.Popen[str]:
    """Start it; the caller waits for its end."""
    return subprocess.Popen(
        command(*words),
        cwd=world.path.parent,
        env=environment(world, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def satiety(world: World, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    process = start(world, *words, **more)
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def overrides(*settings: str) -> list[str]:
    """`--set` for each."""
    return [word for setting in settings for word in ("--set", setting)]
