"""Mapping a function over partitions on this machine's processes.

joblib carries it: its Dask and Ray backends will serve the clusters behind the same interface.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Protocol, TypeVar

from ops.errors import NotThereYet, Temporary
from resources.processes import cores
from resources.settings import EngineSettings

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
ItemC = TypeVar("ItemC", contravariant=True)

ONE_CORE = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
"""One core per worker: threads in every one of them would only get in each other's way."""


class Engine(Protocol):
    """Where partitions are mapped."""

    @property
    def workers(self) -> int:
        """Calls that can run at the same time."""

    def map(self, function: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> Iterator[ResultT]:
        """Call `function` for every item; results come as they are ready, in any order.

        The first exception of a call is raised here, and calls that have not begun are dropped.
        """


class LocalEngine:
    """This machine's processes.

    One worker, or one item, runs in this process: no start-up, plain tracebacks, breakpoints work.

    Args:
        workers: processes; 0 means one per core.
    """

    def __init__(self, workers: int = 0) -> None:
        self.workers = workers or cores()

    def map(self, function: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> Iterator[ResultT]:
        """See `Engine.map`. Function, items and results must be picklable; a Ctrl-C ends the workers first."""
        todo = list(items)
        if min(self.workers, len(todo)) <= 1:
            return (function(item) for item in todo)
        return self._spread(function, todo)

    def _spread(self, function: Callable[[ItemT], ResultT], todo: list[ItemT]) -> Iterator[ResultT]:
        import joblib
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        # As many workers however few the items: joblib starts all of them anew whenever their number changes.
        parallel = joblib.Parallel(n_jobs=self.workers, backend="loky", return_as="generator_unordered", batch_size=1)
        with _environment(ONE_CORE):
            try:
                yield from parallel(joblib.delayed(_call)(os.getpid(), function, item) for item in todo)
            except TerminatedWorkerError as error:
                raise Temporary(
                    "a worker process was killed, most likely for lack of memory",
                    where="engine",
                    hint="lower engine.workers in params.yaml, or use smaller partitions; what is built stays built",
                ) from error
            except (KeyboardInterrupt, GeneratorExit):
                _end_workers()
                raise


def open_engine(settings: EngineSettings) -> Engine:
    """The engine that the settings name.

    Raises:
        NotThereYet: it is planned, but not there.
    """
    if settings.kind != "local":
        raise NotThereYet(
            f"the {settings.kind} engine is planned and not there yet",
            where="params.yaml: engine.kind",
            hint="use local",
        )
    return LocalEngine(settings.workers)


def _call(parent: int, function: Callable[[ItemT], ResultT], item: ItemT) -> ResultT:
    _end_with(parent)
    return function(item)


@cache
def _end_with(parent: int) -> None:
    """End this worker when its parent is gone: loky's would finish the item first, which may take hours."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set variables for the workers that are started meanwhile; those that the user has set stay."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _end_workers() -> None:
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True, kill_workers=True)
