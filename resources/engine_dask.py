"""Mapping over the workers of a Dask cluster.

Dask's own futures, not joblib's `dask` backend: that one never reports a future that failed as a whole, so that a map
whose results come in any order waits for ever when a worker is killed (joblib 1.6, distributed 2026.8).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from ops.errors import ServiceDown
from resources import remote

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

CONNECT_S, WORKER_S = 10.0, 60.0
"""Seconds to wait for the scheduler, and for a first worker (an adaptive cluster starts one on demand)."""


class DaskEngine:
    """The workers of a Dask cluster; each call is a process of its own there, with one core.

    Args:
        address: of the scheduler, `tcp://host:8786` or `tls://…`; certificates as Dask's own configuration has them.
        workers: calls at the same time; 0 means one for each of the workers' threads.
        store: folder that all workers must see; None where the calls need none.
    """

    def __init__(self, address: str, workers: int = 0, store: Path | None = None) -> None:
        self._distributed: Any = remote.need("distributed", "dask")
        self._address, self._limit, self._store = address, workers, store

    @property
    def workers(self) -> int:
        """Calls that can run at the same time."""
        with self._connected() as client:
            return self._threads(client)

    def check(self) -> str:
        """See `Engine.check`."""
        with self._connected() as client, remote.probing(self._store) as probe:
            self._check_workers(client, probe)
            cores, count = self._threads(client), len(client.ncores())
            return f"Dask at {self._address}: {count} workers with {cores} threads see the store"

    def map(self, function: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> Iterator[ResultT]:
        """See `Engine.map`. Leaving it early, by an error or Ctrl-C, ends what runs on the cluster."""
        todo = list(items)
        if not todo:
            return
        with self._connected() as client, remote.probing(self._store) as probe:
            self._check_workers(client, probe)
            yield from self._spread(client, probe, function, todo)

    def _spread(
        self, client: Any, probe: remote.Probe, function: Callable[[ItemT], ResultT], todo: list[ItemT]
    ) -> Iterator[ResultT]:
        waiting = iter(todo)
        running: set[Any] = set()
        done = self._distributed.as_completed([], loop=client.loop)

        def start(count: int) -> None:
            for item in islice(waiting, count):
                key = f"satiety-{secrets.token_hex(8)}"
                future = client.submit(_call, probe, function, item, key=key, pure=False, retries=0)
                running.add(future)
                done.add(future)

        try:
            start(self._limit or len(todo))
            while running:
                future = next(done)
                running.discard(future)
                result: ResultT = remote.value_of(self._answer(future))
                start(1)
                yield result
        finally:
            # Workers see that a call is no longer wanted and kill its process.
            with suppress(Exception):
                client.cancel(list(running), force=True)

    def _answer(self, future: Any) -> remote.Answer:
        """What the worker answered; work that is lost with its worker, or the scheduler, is `Temporary`."""
        if future.status == "finished":
            try:
                answer: remote.Answer = future.result(timeout=WORKER_S)
            except (OSError, self._distributed.client.FutureCancelledError) as error:
                raise remote.lost("the connection to Dask was lost", error) from error
            return answer
        if future.status == "error":
            failure = future.exception(timeout=WORKER_S)
            if isinstance(failure, self._distributed.KilledWorker):
                raise remote.lost("Dask's workers were killed while they did this work") from failure
            return remote.Answer(False, failure)
        raise remote.lost(f"Dask has dropped this work ({future.status})")

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        try:
            client = self._distributed.Client(
                self._address, timeout=CONNECT_S, set_as_default=False, name="satiety", direct_to_workers=False
            )
        except (OSError, ValueError) as error:
            raise ServiceDown(
                f"no Dask scheduler answers at {self._address} ({' '.join(str(error).split())[:200]})",
                where="engine.address",
                hint="start one with `dask scheduler`, and workers with `dask worker`",
            ) from error
        try:
            yield client
        finally:
            with suppress(Exception):
                client.close(timeout=5)

    def _threads(self, client: Any) -> int:
        threads = int(sum(client.ncores().values()))
        return min(self._limit, threads) if self._limit else threads

    def _check_workers(self, client: Any, probe: remote.Probe) -> None:
        try:
            client.wait_for_workers(1, timeout=WORKER_S) if client.ncores() else self._ask_for_one(client)
        except TimeoutError as error:
            raise ServiceDown(
                f"the Dask scheduler at {self._address} has no workers", where="engine", hint="start `dask worker`"
            ) from error
        remote.check_answers(probe, client.run(remote.check_worker, probe, on_error="return"))

    def _ask_for_one(self, client: Any) -> None:
        """Submit something: a cluster that grows on demand has no workers before."""
        client.submit(int, key=f"satiety-{secrets.token_hex(8)}", pure=False).result(timeout=WORKER_S)


def _call(probe: remote.Probe, function: Callable[[Any], Any], item: Any) -> remote.Answer:
    """Run by a thread of a worker."""
    worker = remote.need("distributed", "dask").get_worker()
    key = worker.get_current_task()

    def wanted() -> bool:
        # Cancelled, or its client is gone: the state leaves `executing` while the thread goes on.
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing"

    return remote.call(probe, function, item, wanted)
