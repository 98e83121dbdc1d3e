"""What training has cost so far, added up over processes and over resumed runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Literal

from ops.evaluation.cost import GPU_ESTIMATE, Energy, estimate_energy, estimate_gpu_energy
from ops.evaluation.measure import Meter
from ops.training.distributed import Group
from ops.training.gpu_energy import gpu_energy, spent
from ops.training.peak import gpu_peak

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
        self._sum = _NOTHING | (before or {})
        self._on_gpu, self._gpu_energy = group.device.type == "cuda", gpu_energy(group.device)
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
        found = self._meter.cost()
        energy = found.energy
        measured = energy.joules if energy is not None and energy.method == "measured" else None
        helped, helpers_peak = self._helpers()
        lap = {
            "cpu_s": (found.cpu_seconds or 0.0) + self._early[0] + helped - self._helped,
            "wall_s": (found.wall_seconds or 0.0) + self._early[1],
            "peak": (found.peak_bytes or 0) + helpers_peak,
            "gpu_peak": gpu_peak(self._group.device),
            "joules": measured if self._group.local_rank == 0 else 0.0,  # the counter is of the whole machine
            "gpu_joules": spent(self._gpu_before, self._gpu_energy()) if self._on_gpu else 0.0,
            "flops": self._flops,
            "model_flops": self._model_flops,
            "examples": self._examples,
            **{f"{what}_s": seconds for what, seconds in self._seconds.items()},
        }
        # A process has its GPU for itself as long as it runs.
        lap["gpu_s"] = lap["wall_s"] if self._on_gpu else 0.0
        laps = [json.loads(part) for part in self._group.gather(json.dumps(lap).encode())]
        self._sum |= {
            "cpu_s": round(self._sum["cpu_s"] + sum(part["cpu_s"] for part in laps), 3),
            "wall_s": round(self._sum["wall_s"] + max(part["wall_s"] for part in laps), 3),
            "peak_rss_bytes": max(self._sum["peak_rss_bytes"], sum(part["peak"] for part in laps)),
            "gpu_s": round(self._sum["gpu_s"] + sum(part["gpu_s"] for part in laps), 3),
            "gpu_peak_bytes": max(self._sum["gpu_peak_bytes"], sum(part["gpu_peak"] for part in laps)),
            **{name: _sum_of([self._sum[name], *(part[name] for part in laps)]) for name in _JOULES},
            **{name: self._sum[name] + sum(part[name] for part in laps) for name in _COUNTS},
            # Of the mean process: what is waited for in all of them at once is waited for once.
            **{name: round(self._sum[name] + sum(part[name] for part in laps) / len(laps), 6) for name in _TIMES},
        }
        self._early, self._flops, self._model_flops, self._examples = (0.0, 0.0), 0, 0, 0
        self._seconds, self._helped = dict.fromkeys(ACTIVITIES, 0.0), helped
        self._start()
        return dict(self._sum)

    def _start(self) -> None:
        self._began, self._gpu_before = time.perf_counter(), self._gpu_energy()
        self._stack = ExitStack()
        self._meter = self._stack.enter_context(Meter())


def _sum_of(joules: list[float | None]) -> float | None:
    """All of them together; None where one is unknown."""
    known = [each for each in joules if each is not None]
    return round(sum(known), 1) if len(known) == len(joules) else None


_COUNTS = ("flops", "model_flops", "examples")
_JOULES = ("joules", "gpu_joules")
_TIMES = tuple(f"{what}_s" for what in ACTIVITIES)
_NOTHING: dict[str, Any] = {
    "cpu_s": 0.0,
    "wall_s": 0.0,
    "startup_s": 0.0,
    "peak_rss_bytes": 0,
    "gpu_s": 0.0,
    "gpu_peak_bytes": 0,
    **dict.fromkeys(_JOULES, 0.0),
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
    busy = sum(total[name] for name in _TIMES)
    could = total["computing_s"] * peak * world
    figures = {key: value for key, value in total.items() if key not in (*_JOULES, "model_flops")}
    return {
        **figures,
        "flops_how": FLOPS_HOW,
        "flops_by_torch": None if counted is None else round(counted, 4),
        "utilisation": round(total["model_flops"] / could, 4) if could else None,
        "peak_flops_per_s": round(peak),
        "waiting_share": round(total["waiting_s"] / busy, 4) if busy else None,
        "parameters": parameters,
        "processes": world,
        "energy": _energy(total).model_dump(mode="json"),
    }


def _energy(total: dict[str, Any]) -> Energy:
    """Of processor and memory, and of the GPUs where there were such: measured if all of it is."""
    parts = []
    if total["joules"] is None:
        estimate = estimate_energy(total["cpu_s"], total["wall_s"], total["peak_rss_bytes"])
        parts.append((estimate.joules, False, estimate.how))
    else:
        parts.append((total["joules"], True, "RAPL package counters of the whole machine, while training"))
    if total["gpu_s"] and total["gpu_joules"] is None:
        parts.append((estimate_gpu_energy(total["gpu_s"]), False, GPU_ESTIMATE))
    elif total["gpu_s"]:
        parts.append((total["gpu_joules"], True, f"{total['gpu_joules']:.1f} J by the counters of the GPUs (NVML)"))
    measured = all(known for _, known, _ in parts)
    return Energy(
        joules=round(sum(joules for joules, _, _ in parts), 1),
        method="measured" if measured else "estimated",
        how=", and ".join(how for _, _, how in parts),
    )
