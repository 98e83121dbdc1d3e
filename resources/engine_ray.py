"""Mapping over the nodes of a Ray cluster.

Ray's own tasks, not its backend for joblib: that one has no results in any order, only all of them at the end, and
gives joblib's pool another base class for the whole process (Ray 2.60).
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from ops.errors import ServiceDown
from resources import remote

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

NODE_S = 60.0
"""Seconds to wait for every node's answer."""


class RayEngine:
    """The nodes of a Ray cluster; each call is a task of one core there.

    Args:
        address: `host:6379` of the cluster's head, from a machine of the cluster; or `auto` there.
        workers: calls at the same time; 0 means as many as the cluster has cores.
        store: folder that all nodes must see; None where the calls need none.
    """

    def __init__(self, address: str, workers: int = 0, store: Path | None = None) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        self._ray: Any = remote.need("ray", "ray")
        self._address, self._limit, self._store = address, workers, store

    @property
    def workers(self) -> int:
        """Calls that can run at the same time."""
        with self._connected():
            return self._cores()

    def check(self) -> str:
        """See `Engine.check`."""
        with self._connected(), remote.probing(self._store) as probe:
            count = self._check_nodes(probe)
            return f"Ray at {self._address}: {count} nodes with {self._cores()} cores see the store"

    def map(self, function: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> Iterator[ResultT]:
        """See `Engine.map`. Leaving it early, by an error or Ctrl-C, ends what runs on the cluster."""
        todo = list(items)
        if not todo:
            return
        with self._connected(), remote.probing(self._store) as probe:
            self._check_nodes(probe)
            yield from self._spread(probe, function, todo)

    def _spread(
        self, probe: remote.Probe, function: Callable[[ItemT], ResultT], todo: list[ItemT]
    ) -> Iterator[ResultT]:
        task = self._ray.remote(num_cpus=1, max_retries=0)(_call)
        waiting = iter(todo)
        running: list[Any] = []

        def start(count: int) -> None:
            running.extend(task.remote(probe, function, item) for item in islice(waiting, count))

        try:
            start(self._limit or len(todo))
            while running:
                (done,), _ = self._ray.wait(running, num_returns=1)
                running.remove(done)
                result: ResultT = remote.value_of(self._answer(done))
                start(1)
                yield result
        finally:
            for reference in running:
                with suppress(Exception):
                    self._ray.cancel(reference, force=True)

    def _answer(self, reference: Any) -> remote.Answer:
        """What the worker answered; work that is lost with its process or node is `Temporary`."""
        errors = self._ray.exceptions
        try:
            answer: remote.Answer = self._ray.get(reference)
        except errors.RayTaskError as error:
            return remote.Answer(False, error.cause or error)
        except errors.RayError as error:
            raise remote.lost("a Ray worker was killed while it did this work", error) from error
        return answer

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """Connect for the `with` block; a connection that was there already is used and left."""
        if self._ray.is_initialized():
            yield
            return
        handlers = _handlers()
        try:
            self._ray.init(address=self._address, namespace="satiety", log_to_driver=False, logging_level="ERROR")
        except (OSError, ValueError, RuntimeError, self._ray.exceptions.RayError) as error:
            self._ray.shutdown()
            raise ServiceDown(
                f"no Ray cluster answers at {self._address} ({' '.join(str(error).split())[:200]})",
                where="engine.address",
                hint="start one with `ray start --head`, and run satiety on a machine of the cluster",
            ) from error
        finally:
            _restore(handlers)  # Ray takes TERM for itself
        try:
            yield
        finally:
            self._ray.shutdown()
            _restore(handlers)

    def _cores(self) -> int:
        cores = int(self._ray.cluster_resources().get("CPU", 0))
        return min(self._limit, cores) if self._limit else cores

    def _check_nodes(self, probe: remote.Probe) -> int:
        """Ask every node that has cores; returns their number."""
        on_node = remote.need("ray.util.scheduling_strategies", "ray").NodeAffinitySchedulingStrategy
        nodes = [node for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        if not nodes:
            raise ServiceDown(f"the Ray cluster at {self._address} has no cores", where="engine", hint="`ray start`")
        check = self._ray.remote(num_cpus=0, max_retries=0)(remote.check_worker)
        answers: dict[str, str | BaseException] = {}
        for node in nodes:
            name = str(node["NodeManagerAddress"])
            strategy = on_node(node["NodeID"], soft=False)
            reference = check.options(scheduling_strategy=strategy).remote(probe)
            try:
                answers[name] = self._ray.get(reference, timeout=NODE_S)
            except self._ray.exceptions.RayTaskError as error:
                answers[name] = error.cause or error
            except self._ray.exceptions.RayError as error:
                answers[name] = error
        remote.check_answers(probe, answers)
        return len(nodes)


def _call(probe: remote.Probe, function: Callable[[Any], Any], item: Any) -> remote.Answer:
    """Run by a process of Ray; `ray.cancel` kills it, and its child with it."""
    return remote.call(probe, function, item, lambda: True)


def _handlers() -> dict[signal.Signals, Any]:
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
