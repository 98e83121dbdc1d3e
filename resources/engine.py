"""Mapping a function over partitions: on this machine's processes through joblib, or on a Dask or Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

from ops.errors import ConfigError, Temporary
from resources.child import ONE_CORE
from resources.processes import cores, end_with
from resources.settings import EngineSettings

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
ItemC = TypeVar("ItemC", contravariant=True)


class Engine(Protocol):
    """Where partitions are mapped."""

    @property
    def workers(self) -> int:
        """Calls that can run at the same time."""

    def map(self, function: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> Iterator[ResultT]:
        """Call `function` for every item; results come as they are ready, in any order.

        The first exception of a call is raised here, and calls that have not begun are dropped. A worker that was
        killed is `Temporary`. Leaving the iteration early ends the work wherever it runs.
        """

    def check(self) -> str:
        """What is there, in words, when it can be reached and does its work.

        Raises:
            SatietyError: it cannot be reached, or its workers cannot do the work.
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

    def check(self) -> str:
        """See `Engine.check`."""
        return f"{self.workers} processes of this machine"

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


def open_engine(settings: EngineSettings, store: Path | None = None) -> Engine:
    """The engine that the settings name; nothing is connected before it is used.

    Args:
        settings: which engine, where, and how many calls at a time.
        store: folder that the workers of a cluster must see; None where the calls need none.

    Raises:
        ConfigError: its address or its packages are missing.
    """
    if settings.kind == "local":
        return LocalEngine(settings.workers)
    if not settings.address:
        example = {"dask": "tcp://host:8786", "ray": "host:6379"}[settings.kind]
        raise ConfigError(
            f"the {settings.kind} engine has no address",
            where="engine.address",
            hint=f"set it in params.yaml or with SATIETY_ENGINE_ADDRESS, as in {example}",
        )
    if settings.kind == "dask":
        from resources.engine_dask import DaskEngine

        return DaskEngine(settings.address, settings.workers, store)
    from resources.engine_ray import RayEngine

    return RayEngine(settings.address, settings.workers, store)


def _call(parent: int, function: Callable[[ItemT], ResultT], item: ItemT) -> ResultT:
    end_with(parent)
    return function(item)


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
