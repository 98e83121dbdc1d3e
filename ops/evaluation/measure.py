"""Measuring what a block of code takes: CPU and wall time, peak memory, energy where the machine counts it."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from types import TracebackType

from ops.evaluation.cost import Cost, Energy, estimate_energy

POWERCAP = Path("/sys/class/powercap")


class Meter:
    """Context manager; ask for `cost()` after the block.

    Time is that of this process with all its threads. Peak memory is the high-water mark of the process, an upper
    bound when the process did other work before. Energy comes from the RAPL package counters where they may be read
    (then it covers the whole machine), else from `estimate_energy`.
    """

    def __init__(self, powercap: Path = POWERCAP) -> None:
        self._powercap = powercap
        self._before: dict[str, tuple[int, int]] = {}
        self._cpu = self._wall = 0.0
        self._joules: float | None = None

    def __enter__(self) -> Meter:
        self._before = _counters(self._powercap)
        self._cpu, self._wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cpu = time.process_time() - self._cpu
        self._wall = time.perf_counter() - self._wall
        self._joules = _spent(self._before, _counters(self._powercap))

    def cost(self, *, parameters: int | None = None, flops: float | None = None, flops_how: str = "") -> Cost:
        """The measured cost, with what the caller counted itself."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if self._joules is None:
            energy = estimate_energy(self._cpu, self._wall, peak)
        else:
            energy = Energy(joules=self._joules, method="measured", how="RAPL package counters of the whole machine")
        return Cost(
            parameters=parameters,
            flops=flops,
            flops_how=flops_how,
            cpu_seconds=round(self._cpu, 3),
            wall_seconds=round(self._wall, 3),
            peak_bytes=peak,
            energy=energy.model_copy(update={"joules": round(energy.joules, 1)}),
        )


def _counters(powercap: Path) -> dict[str, tuple[int, int]]:
    """Microjoules so far and the value at which the counter wraps, by processor package; empty where unreadable."""
    found = {}
    for folder in sorted(powercap.glob("intel-rapl:?")):
        try:
            now, wrap = (int((folder / name).read_text()) for name in ("energy_uj", "max_energy_range_uj"))
        except (OSError, ValueError):  # since CVE-2020-8694 only root may read it
            continue
        found[folder.name] = now, wrap
    return found


def _spent(before: dict[str, tuple[int, int]], after: dict[str, tuple[int, int]]) -> float | None:
    if not before or before.keys() != after.keys():
        return None
    microjoules = 0
    for name, (start, wrap) in before.items():
        end = after[name][0]
        microjoules += end - start if end >= start else end - start + wrap
    return microjoules / 1e6
