"""The moments at which a signal ends a run of Dagster: while it waits for its turn, and never while it writes an event.

Dagster 1.13 holds signals back between two steps and looks for them when the next one begins. A run whose next step
waits for the pool `gpu` therefore answered neither Ctrl-C nor "Terminate" before the training in front of it had ended.

Within a step it raises wherever the signal finds it. Most of a training's time in this process is spent on writing
observations, so that is where it was found: in the middle of closing a database connection, which printed a traceback.

A run that a signal ended it records as failed, unless its web page was asked to end it; the command line was.

Ctrl-C in a terminal reaches every process of the command. Those that copy a step's output to the terminal are ended by
Dagster when the step is; ended by the signal as well, each printed a traceback of its own.
"""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from dagster import DagsterInstance
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.execution import compute_logs
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.executor.in_process import InProcessExecutor
from dagster._utils.interrupts import raise_interrupts_as

from pipelines.signals import held


def make_interruptible() -> None:
    """Let a signal end the wait but no write, in this process; a second call changes nothing."""
    if hasattr(ActiveExecution.sleep_til_ready, "__wrapped__"):
        return
    ActiveExecution.sleep_til_ready = _raising(ActiveExecution.sleep_til_ready)  # type: ignore[method-assign]
    DagsterInstance.handle_new_event = _holding(DagsterInstance.handle_new_event)  # type: ignore[method-assign]
    compute_logs.execute_posix_tail = _sparing(compute_logs.execute_posix_tail)


@contextmanager
def recorded_as_canceled() -> Iterator[None]:
    """Record runs of this process that a signal ends during the `with` block as canceled, not as failed."""
    before = InProcessExecutor.execute
    InProcessExecutor.execute = _canceling(before)  # type: ignore[method-assign]
    try:
        yield
    finally:
        InProcessExecutor.execute = before  # type: ignore[method-assign]


def _canceling(execute: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    @functools.wraps(execute)
    def told(executor: Any, context: Any, plan: Any) -> Iterator[Any]:
        try:
            yield from execute(executor, context, plan)
        except (KeyboardInterrupt, DagsterExecutionInterruptedError):
            context.instance.report_run_canceling(context.dagster_run, "Ended by Ctrl-C or a signal.")
            raise

    return told


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


def _sparing(tail: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(tail)
    @contextmanager
    def spared(*arguments: Any, **options: Any) -> Iterator[Any]:
        with ExitStack() as stack:
            with _ctrl_c_waits():
                processes = stack.enter_context(tail(*arguments, **options))
            yield processes

    return spared


@contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Keep SIGINT from this thread, and for good from processes that it starts meanwhile, which inherit the mask."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
