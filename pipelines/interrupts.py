"""The moments at which a signal ends a run of Dagster: while it waits for its turn, and never while it writes an event.

Dagster 1.13 holds signals back between two steps and looks for them when the next one begins. A run whose next step
waits for the pool `gpu` therefore answered neither Ctrl-C nor "Terminate" before the training in front of it had ended.

Within a step it raises wherever the signal finds it. Most of a training's time in this process is spent on writing
observations, so that is where it was found: in the middle of closing a database connection, which printed a traceback.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from dagster import DagsterInstance
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.execution.plan.active import ActiveExecution
from dagster._utils.interrupts import raise_interrupts_as

from pipelines.signals import held


def make_interruptible() -> None:
    """Let a signal end the wait but no write, in this process; a second call changes nothing."""
    if hasattr(ActiveExecution.sleep_til_ready, "__wrapped__"):
        return
    ActiveExecution.sleep_til_ready = _raising(ActiveExecution.sleep_til_ready)  # type: ignore[method-assign]
    DagsterInstance.handle_new_event = _holding(DagsterInstance.handle_new_event)  # type: ignore[method-assign]


def _raising(wait: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(wait)
    def interruptible(*arguments: Any, **options: Any) -> None:
        with raise_interrupts_as(DagsterExecutionInterruptedError):
            wait(*arguments, **options)

    return interruptible


def _holding(write: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(write)
    def whole(*arguments: Any, **options: Any) -> None:
        with held():
            write(*arguments, **options)

    return whole
