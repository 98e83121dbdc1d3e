"""What training has cost so far, added up over processes and over resumed runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

from ops.evaluation.cost import Energy, estimate_energy
from ops.evaluation.measure import Meter
from ops.training.distributed import Group

FLOPS_HOW = (
    "matrix products counted in closed form, padding included, the optimiser's too; "
    "a backward pass as two forward passes"
)

Activity = Literal["waiting", "computing", "evaluating", "saving"]
ACTIVITIES: tuple[Activity, ...] = ("waiting", "computing", "evaluating", "saving")
"""What training does between its first step and its end: waiting for batches; forward and backward passes and steps of
the optimiser; judging on the validation split; writing checkpoints."""


Helpers = Callable[[], tuple[float, int]]
"""CPU-seconds and peak memory in bytes of processes that work for this one, so far."""


def nobody() -> tuple[float, int]:
    """What no helpers have taken."""
    return 0.0, 0


class Spending:
    """Counts CPU and wall time, memory, energy and operations of this process from laps between checkpoints.

    What a killed process spent after its last checkpoint is lost with it.
    """

    def __init__(self, group: Group, before: dict[str, Any] | None, started: float, helpers: Helpers = nobody) -> None:
        """Go on from what a checkpoint noted.

        Args:
            group: the processes whose costs are added.
            before: what `lap` returned for that checkpoint, if there was one.
            started: `time.perf_counter()` when this process began.
            helpers: what this process's helpers have taken so far.
        """
        self._group, self._helpers, self._helped = group, helpers, 0.0
        self._sum = dict(before or _NOTHING)
        self._flops = self._model_flops = self._examples = 0
        self._seconds: dict[Activity, float] = dict.fromkeys(ACTIVITIES, 0.0)
        self._running = False
        # Imports are paid for as well: what was spent before there was a meter.
        self._early = (time.process_time(), time.perf_counter() - started)
        self._start()

    def count(self, examples: int, flops: int, model_flops: int = 0) -> None:
        """Note work of this process.

        Args:
            examples: examples that were learned from.
            flops: operations of all sorts.
            model_flops: those of them that were forward and backward passes of training.
        """
        self._examples += examples
        self._flops += flops
        self._model_flops += model_flops

    @contextmanager
    def timed(self, what: Activity) -> Iterator[None]:
        """Count the wall time of a block as one of `waiting` for data, `computing`, `evaluating` and `saving`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[what] += time.perf_counter() - began

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
        helped, helpers_peak = self._helpers()
        lap = {
            "cpu_s": (spent.cpu_seconds or 0.0) + self._early[0] + helped - self._helped,
            "wall_s": (spent.wall_seconds or 0.0) + self._early[1],
            "peak": (spent.peak_bytes or 0) + helpers_peak,
            "joules": measured if self._group.local_rank == 0 else 0.0,  # the counter is of the whole machine
            "flops": self._flops,
            "model_flops": self._model_flops,
            "examples": self._examples,
            **{f"{what}_s": seconds for what, seconds in self._seconds.items()},
        }
        laps = [json.loads(part) for part in self._group.gather(json.dumps(lap).encode())]
        joules = [part["joules"] for part in laps]
        known = self._sum["joules"] is not None and None not in joules
        self._sum |= {
            "cpu_s": round(self._sum["cpu_s"] + sum(part["cpu_s"] for part in laps), 3),
            "wall_s": round(self._sum["wall_s"] + max(part["wall_s"] for part in laps), 3),
            "peak_rss_bytes": max(self._sum["peak_rss_bytes"], sum(part["peak"] for part in laps)),
            "joules": round(self._sum["joules"] + sum(joules), 1) if known else None,
            **{name: self._sum[name] + sum(part[name] for part in laps) for name in _COUNTS},
            # Of the mean process: what is waited for in all of them at once is waited for once.
            **{name: round(self._sum[name] + sum(part[name] for part in laps) / len(laps), 6) for name in _TIMES},
        }
        self._early, self._flops, self._model_flops, self._examples = (0.0, 0.0), 0, 0, 0
        self._seconds, self._helped = dict.fromkeys(ACTIVITIES, 0.0), helped
        self._start()
        return dict(self._sum)

    def _start(self) -> None:
        self._began = time.perf_counter()
        self._stack = ExitStack()
        self._meter = self._stack.enter_context(Meter())


_COUNTS = ("flops", "model_flops", "examples")
_TIMES = tuple(f"{what}_s" for what in ACTIVITIES)
_NOTHING: dict[str, Any] = {
    "cpu_s": 0.0,
    "wall_s": 0.0,
    "startup_s": 0.0,
    "peak_rss_bytes": 0,
    "joules": 0.0,
    **dict.fromkeys(_COUNTS, 0),
    **dict.fromkeys(_TIMES, 0.0),
}


def report(total: dict[str, Any], parameters: int, world: int, peak: float, counted: float | None) -> dict[str, Any]:
    """The cost record of a trained model: plain figures and the energy with its method.

    Args:
        total: the last lap.
        parameters: number of trained values.
        world: processes that trained.
        peak: floating-point operations per second that one process can do at most.
        counted: operations that torch counted in a batch over those of the closed form; None where it cannot.

    Returns:
        The figures; `utilisation` is the model's operations over those that the processes could have done while they
        computed (model FLOPs utilisation; Chowdhery et al., 2022).
    """
    if total["joules"] is None:
        energy = estimate_energy(total["cpu_s"], total["wall_s"], total["peak_rss_bytes"])
    else:
        energy = Energy(
            joules=total["joules"], method="measured", how="RAPL package counters of the whole machine, while training"
        )
    busy = sum(total[name] for name in _TIMES)
    could = total["computing_s"] * peak * world
    figures = {key: value for key, value in total.items() if key not in ("joules", "model_flops")}
    return {
        **figures,
        "flops_how": FLOPS_HOW,
        "flops_by_torch": None if counted is None else round(counted, 4),
        "utilisation": round(total["model_flops"] / could, 4) if could else None,
        "peak_flops_per_s": round(peak),
        "waiting_share": round(total["waiting_s"] / busy, 4) if busy else None,
        "parameters": parameters,
        "processes": world,
        "energy": energy.model_copy(update={"joules": round(energy.joules, 1)}).model_dump(mode="json"),
    }
