"""Ending a run that waits for a place in a pool.

Dagster 1.13 holds signals back between two steps and looks for them when the next one begins. A run whose next step
waits for the pool `gpu` therefore answered neither Ctrl-C nor "Terminate" before the training in front of it had ended.
"""

from __future__ import annotations

import functools

from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.execution.plan.active import ActiveExecution
from dagster._utils.interrupts import raise_interrupts_as


def make_interruptible() -> None:
    """Let a signal end the wait, in this process; a second call changes nothing."""
    wait = ActiveExecution.sleep_til_ready
    if hasattr(wait, "__wrapped__"):
        return

    @functools.wraps(wait)
    def interruptible(self: ActiveExecution) -> None:
        with raise_interrupts_as(DagsterExecutionInterruptedError):
            wait(self)

    ActiveExecution.sleep_til_ready = interruptible  # type: ignore[method-assign]
