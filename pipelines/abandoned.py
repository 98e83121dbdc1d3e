"""Runs of the command line whose process is gone.

Killed, a run would stay "started" in Dagster's web page and hold its place in the pool `gpu`, for which every later
training would wait without end: Dagster's monitoring looks only after runs that its daemon has launched. So each run
holds a lock while its process lives. The kernel frees it however the process ends, and the next run clears up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from ops.storage import lock

FOLDER = "running"


@contextmanager
def alive(home: Path, run_id: str) -> Iterator[None]:
    """Show to other processes, for the `with` block, that a run is being worked on.

    Args:
        home: Dagster's home folder.
        run_id: Dagster's id of the run.
    """
    path = home / FOLDER / f"{run_id}.lock"
    with lock.hold(path, f"run {run_id}"):
        yield
        path.unlink(missing_ok=True)  # left behind by an exception too: what the run holds is given back all the same


def clear(instance: dg.DagsterInstance, home: Path) -> list[str]:
    """Record runs without a process as failed and give back their places in pools; returns their ids."""
    cleared = []
    for path in sorted((home / FOLDER).glob("*.lock")):
        with lock.try_hold(path) as free:
            if not free:
                continue
            run = instance.get_run_by_id(path.stem)
            if run is not None and not run.is_finished:
                instance.report_run_failed(run, "The process that worked on this run is gone.")
            instance.event_log_storage.free_concurrency_slots_for_run(path.stem)
            path.unlink(missing_ok=True)
            cleared.append(path.stem)
    return cleared
