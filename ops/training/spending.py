"""What training has cost so far, added up over processes and over resumed runs."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from typing import Any

from ops.evaluation.cost import Energy, estimate_energy
from ops.evaluation.measure import Meter
from ops.training.distributed import Group

FLOPS_HOW = (
    "matrix products counted in closed form, padding included, the optimiser's too; "
    "a backward pass as two forward passes"
)


class Spending:
    """Counts CPU and wall time, memory, energy and operations of this process from laps between checkpoints.

    What a killed process spent after its last checkpoint is lost with it.
    """

    def __init__(self, group: Group, before: dict[str, Any] | None, started: float) -> None:
        """Go on from what a checkpoint noted.

        Args:
            group: the processes whose costs are added.
            before: what `lap` returned for that checkpoint, if there was one.
            started: `time.perf_counter()` when this process began.
        """
        self._group = group
        self._sum = dict(before or _NOTHING)
        self._flops = 0
        self._examples = 0
        self._running = False
        # Imports are paid for as well: what was spent before there was a meter.
        self._early = (time.process_time(), time.perf_counter() - started)
        self._start()

    def count(self, examples: int, flops: int) -> None:
        """Note work of this process."""
        self._examples += examples
        self._flops += flops

    def started(self) -> None:
        """Note that start-up is over; only the first call counts."""
        if not self._running:
            self._running = True
            seconds = self._early[1] + time.perf_counter() - self._began
            self._sum["startup_s"] = round(self._sum["startup_s"] + seconds, 3)

    def lap(self) -> dict[str, Any]:
        """Everything so far, of all processes; each of them must call this at the same step."""
        self._stack.close()
        spent = self._meter.cost()
        energy = spent.energy
        measured = energy.joules if energy is not None and energy.method == "measured" else None
        lap = {
            "cpu_s": (spent.cpu_seconds or 0.0) + self._early[0],
            "wall_s": (spent.wall_seconds or 0.0) + self._early[1],
            "peak": spent.peak_bytes or 0,
            "joules": measured if self._group.local_rank == 0 else 0.0,  # the counter is of the whole machine
            "flops": self._flops,
            "examples": self._examples,
        }
        laps = [json.loads(part) for part in self._group.gather(json.dumps(lap).encode())]
        joules = [part["joules"] for part in laps]
        known = self._sum["joules"] is not None and None not in joules
        self._sum |= {
            "cpu_s": round(self._sum["cpu_s"] + sum(part["cpu_s"] for part in laps), 3),
            "wall_s": round(self._sum["wall_s"] + max(part["wall_s"] for part in laps), 3),
            "peak_rss_bytes": max(self._sum["peak_rss_bytes"], sum(part["peak"] for part in laps)),
            "joules": round(self._sum["joules"] + sum(joules), 1) if known else None,
            "flops": self._sum["flops"] + sum(part["flops"] for part in laps),
            "examples": self._sum["examples"] + sum(part["examples"] for part in laps),
        }
        self._early, self._flops, self._examples = (0.0, 0.0), 0, 0
        self._start()
        return dict(self._sum)

    def _start(self) -> None:
        self._began = time.perf_counter()
        self._stack = ExitStack()
        self._meter = self._stack.enter_context(Meter())


_NOTHING: dict[str, Any] = {
    "cpu_s": 0.0,
    "wall_s": 0.0,
    "startup_s": 0.0,
    "peak_rss_bytes": 0,
    "joules": 0.0,
    "flops": 0,
    "examples": 0,
}


def report(total: dict[str, Any], parameters: int, world: int) -> dict[str, Any]:
    """The cost record of a trained model, from the last lap: plain figures and the energy with its method."""
    if total["joules"] is None:
        energy = estimate_energy(total["cpu_s"], total["wall_s"], total["peak_rss_bytes"])
    else:
        energy = Energy(
            joules=total["joules"], method="measured", how="RAPL package counters of the whole machine, while training"
        )
    figures = {key: value for key, value in total.items() if key != "joules"}
    return {
        **figures,
        "flops_how": FLOPS_HOW,
        "parameters": parameters,
        "processes": world,
        "energy": energy.model_copy(update={"joules": round(energy.joules, 1)}).model_dump(mode="json"),
    }
