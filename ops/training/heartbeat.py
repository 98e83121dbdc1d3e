"""A sign of life for whoever watches the processes from outside."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

INTERVAL_S = 1.0


class Heartbeat:
    """Writes `{"step", "pid"}` to a file, at most once a second.

    It does not pass the fault seam: it comes by the clock, which would make the seam's count differ from run to run,
    and nothing that is kept depends on it.
    """

    def __init__(self, folder: Path, rank: int) -> None:
        self._path = folder / ("heartbeat" if rank == 0 else f"heartbeat-{rank}")
        self._hidden = folder / f".{self._path.name}.part"
        self._last = -INTERVAL_S

    def beat(self, step: int) -> None:
        """Say that the process is alive and at which step."""
        now = time.monotonic()
        if now - self._last < INTERVAL_S:
            return
        self._last = now
        self._hidden.write_text(json.dumps({"step": step, "pid": os.getpid()}))
        self._hidden.replace(self._path)
