"""What a build takes: figures for people and reports, never for decisions."""

from __future__ import annotations

import os
import resource
import sys
import time
from datetime import UTC, datetime
from typing import Any

RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Meter:
    """Wall time, CPU time and memory from the moment it is made.

    CPU time and memory are the process's: builds that share one process at the same time share their figures.
    """

    def __init__(self) -> None:
        self._started = datetime.now(UTC)
        self._wall = time.perf_counter()
        self._cpu = _cpu_seconds()

    def read(self) -> dict[str, Any]:
        """The figures so far.

        Returns:
            `started` (UTC), `wall_s`, `cpu_s` of this process and its ended children, and `peak_rss_bytes`: the larger
            of the process's own high-water mark since it started and that of its largest ended child.
        """
        peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return {
            "started": self._started.isoformat(timespec="seconds"),
            "wall_s": round(time.perf_counter() - self._wall, 6),
            "cpu_s": round(_cpu_seconds() - self._cpu, 6),
            "peak_rss_bytes": max(peaks) * RSS_UNIT,
        }


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
