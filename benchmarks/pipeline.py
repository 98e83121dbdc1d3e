"""What the pipeline costs over the bare computation, and what a run, a plan or help cost when nothing is to be done."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Figure, environment, in_turns, median, run, satiety


def overhead(recipe: str, repeats: int) -> list[Figure]:
    """Wall and CPU seconds of a whole `satiety run` over those of the bare computation, in turns."""
    pairs = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(prefix="satiety-bench-") as folder:
            bare = run(
                [sys.executable, "-m", "benchmarks.bare", recipe, f"{folder}/bare"],
                environment(Path(folder)),
            )
            whole = run(satiety("run", recipe), environment(Path(folder) / "run"))
            pairs.append((bare, whole))
    wall = median([whole.wall_s / bare.wall_s for bare, whole in pairs])
    cpu = median([whole.cpu_s / bare.cpu_s for bare, whole in pairs])
    detail = {
        "bare_wall_s": round(median([bare.wall_s for bare, _ in pairs]), 2),
        "run_wall_s": round(median([whole.wall_s for _, whole in pairs]), 2),
        "bare_cpu_s": round(median([bare.cpu_s for bare, _ in pairs]), 2),
        "run_cpu_s": round(median([whole.cpu_s for _, whole in pairs]), 2),
        "repeats": repeats,
    }
    return [
        Figure(f"{recipe}: time over the bare computation", wall, "x", "<= 1.25", wall <= 1.25, detail),
        Figure(f"{recipe}: CPU-seconds over the bare computation", cpu, "x", "<= 1.25", cpu <= 1.25, detail),
    ]


def idle(repeats: int) -> list[Figure]:
    """Seconds of commands that find nothing to do, over a small recipe that has been run."""
    with tempfile.TemporaryDirectory(prefix="satiety-bench-") as folder:
        env = environment(Path(folder), SATIETY_TRACKING="off")
        small = ["--set", "training.epochs=1"]
        run(satiety("run", "digits", *small), env)
        sides = {
            "run with nothing to do": (satiety("run", "digits", *small), 2.0),
            "plan": (satiety("plan", "digits", *small), 1.0),
            "--help": (satiety("--help"), 0.3),
            "run --help": (satiety("run", "--help"), 0.3),
        }
        taken = in_turns(repeats, *(lambda command=command: run(command, env).wall_s for command, _ in sides.values()))
    return [
        Figure(f"satiety {name}", median(values), "s", f"< {goal:g}", median(values) < goal, {"all_s": values})
        for (name, (_, goal)), values in zip(sides.items(), taken, strict=True)
    ]
