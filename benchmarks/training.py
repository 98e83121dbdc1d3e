"""What training costs beside forward and backward passes: the loop, waiting for data, checkpoints, and the start."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.gpt2 import write_run
from benchmarks.measure import ROOT, Figure

STEPS = 300
WARM = 20
"""Steps in front of those, until everything is in its place."""
MODEL = {"kind": "transformer_decoder", "block": "gpt2", "dim": 128, "depth": 4, "heads": 4}
"""nanoGPT's configuration for tiny Shakespeare on a CPU: 0.8 million weights, windows of 64, batches of 12."""
SETTINGS = {"batch_size": 12, "bucketing": False, "learning_rate": 0.001, "accelerator": "cpu", "log_every": 10}

FIRST_STEP = """
import logging, runpy, time
class Told(logging.Handler):
    def emit(self, record):
        if record.getMessage().startswith('step 1 of 1'):
            print(time.process_time())
logging.getLogger('satiety.training').addHandler(Told())
runpy.run_module('ops.training.worker', run_name='__main__', alter_sys=True)
"""
"""A training process that says how many CPU seconds it has taken when its first step is made."""


def training(repeats: int) -> list[Figure]:
    """The loop's overhead, the shares of waiting and of checkpoints, and the start of a process."""
    turns = max(3, repeats // 2)
    loops = [_beside_a_bare_loop() for _ in range(turns)]
    loop = statistics.median(own / bare for own, bare in loops) - 1
    saved = [_run(STEPS, checkpoint_every=100) for _ in range(turns)]
    saving = min(run["saving_s"] / run["computing_s"] for run in saved)
    waiting = min(run["waiting_share"] for run in saved)
    imported, started = _start(turns + 1)
    begun, met = {"import_s": imported, "start_s": started}, started <= 1.3 * imported
    detail = {"loop_and_bare_cpu_s": loops}
    return [
        Figure("training: the loop over forward, backward and step", loop, "", "<= 0.05", loop <= 0.05, detail),
        Figure("training: waiting for data, share", waiting, "", "<= 0.02", waiting <= 0.02),
        Figure("training: a checkpoint every 100 steps, share", saving, "", "<= 0.03", saving <= 0.03),
        Figure("training: start to first step over import torch", started / imported, "x", "<= 1.3", met, begun),
    ]


def _run(steps: int, **settings: Any) -> dict[str, Any]:
    """The cost record of a run in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        run = write_run(Path(folder), MODEL, {**SETTINGS, "steps": steps, **settings}, 64, 65, 600)
        subprocess.run(_worker(run), check=True, env=_environment())
        cost: dict[str, Any] = json.loads((run.parent / "result" / "cost.json").read_text())
        return cost


def _beside_a_bare_loop() -> tuple[float, float]:
    """CPU seconds of a worker's steps, and of as many of a loop that does nothing else; see `_alternate`."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {**SETTINGS, "steps": WARM + STEPS, "checkpoint_every": 100_000}
        run = write_run(Path(folder), MODEL, settings, 64, 65, 600)
        command = [sys.executable, "-m", "benchmarks.training", str(run)]
        said = subprocess.run(command, check=True, env=_environment(), capture_output=True, text=True).stdout
        own, bare = map(float, said.split())
        return own, bare


def _alternate(path: Path) -> tuple[float, float]:
    """Run a worker that lets a bare loop make a step after each of its own, so that both meet the same machine.

    What the loader's threads take counts for the worker, whenever they run. The first steps of both are not counted.
    """
    from ops.training import loop, worker

    total = bare = 0.0

    class Alternating(loop.Trainer):
        def _step(self) -> int | None:
            nonlocal total, bare
            if self._progress.step == 0:
                self._bare = _bare_steps(path)
            if self._progress.step == WARM:
                total, bare = -time.process_time(), 0.0
            found = super()._step()
            began = time.thread_time()
            next(self._bare)
            bare += time.thread_time() - began
            if self._progress.step == WARM + STEPS:
                total += time.process_time()
            return found

    loop.Trainer = Alternating  # type: ignore[misc]
    if worker.main([str(path)]):
        raise SystemExit("the worker failed")
    return total - bare, bare


def _bare_steps(path: Path) -> Iterator[None]:
    """Forward, backward, clipping and AdamW's step as plain torch, on batches that are there already."""
    import torch
    from torch import nn
    from torch.nn import functional

    from ops.training.data import load_examples
    from ops.training.run import read_run

    run = read_run(path)
    examples = load_examples(run.inputs, "<u2", 0, label_shape=None)["train"]
    model = run.model_value().build(run.input, 65)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.001, betas=(0.9, 0.98), weight_decay=0.05, fused=True)
    size, batches = run.training.batch_size, []
    for step in range(WARM + STEPS):
        rows = (torch.arange(size) + step * size).remainder(len(examples)).numpy()
        values = torch.from_numpy(examples.values(rows).astype("int64"))
        batches.append((values[:, :-1], values[:, 1:].contiguous()))
    for inputs, targets in batches:
        loss = functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
        yield


def _start(turns: int) -> tuple[float, float]:
    """CPU seconds of a process that imports torch, and of one that trains until its first step; medians of turns."""
    imported, started = [], []
    for _ in range(turns):
        imported.append(_told("import time, torch; print(time.process_time())"))
        with tempfile.TemporaryDirectory() as folder:
            run = write_run(Path(folder), MODEL, {**SETTINGS, "steps": 1, "log_every": 1}, 64, 65, 24)
            started.append(_told(FIRST_STEP, str(run)))
    return statistics.median(imported), statistics.median(started)


def _told(script: str, *arguments: str) -> float:
    command = [sys.executable, "-c", script, *arguments]
    said = subprocess.run(command, check=True, env=_environment(), capture_output=True, text=True).stdout
    return float(said.split()[0])


def _worker(run: Path) -> list[str]:
    return [sys.executable, "-m", "ops.training.worker", str(run)]


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


if __name__ == "__main__":
    print(*_alternate(Path(sys.argv[1])))
