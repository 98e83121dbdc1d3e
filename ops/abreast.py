"""Work side by side in threads that wait for processes of their own, with results that are taken in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

T = TypeVar("T")

POLL_S = 0.2

_GIVEN_UP: ContextVar[threading.Event | None] = ContextVar("given_up", default=None)


def given_up() -> bool:
    """Whether nobody waits for what this thread does any more: what it has started is to be ended."""
    event = _GIVEN_UP.get()
    return event is not None and event.is_set()


class Abreast(Generic[T]):
    """Some pieces of work at once, as a context: leaving it ends those that are on their way.

    One at a time is done in this thread, when it is taken. An error of a piece is raised in its turn, and none begins
    after it.

    Args:
        work: the pieces, made one by one, in this thread, when there is room for them.
        at_once: how many are on their way at most.
        ahead: whether one more may begin before those that have begun are taken; gets the result of each, nothing
            where it has none yet.
    """

    def __init__(self, work: Iterable[Callable[[], T]], at_once: int, ahead: Callable[[list[T | None]], bool]) -> None:
        self._work, self._at_once, self._ahead = iter(work), at_once, ahead
        self._begun: deque[Future[T]] = deque()
        self._given_up = threading.Event()
        self._pool: ThreadPoolExecutor | None = None

    def take(self) -> T:
        """The next result, in the order of the pieces.

        Raises:
            StopIteration: there are no more pieces.
        """
        if self._at_once == 1:
            return next(self._work)()
        while True:
            self._begin()
            if not self._begun:
                raise StopIteration
            if self._begun[0].done():
                return self._begun.popleft().result()
            # A signal may be delivered to another thread; this one hears of it when it wakes up.
            wait([one for one in self._begun if not one.done()], POLL_S, FIRST_COMPLETED)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._given_up.set()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def left(self) -> list[T | None]:
        """What those that have begun and were not taken came to, in order; nothing where they have not, or failed."""
        return [None if not one.done() or _failed(one) else one.result() for one in self._begun]

    def _begin(self) -> None:
        running = sum(not one.done() for one in self._begun)
        failed = any(one.done() and _failed(one) for one in self._begun)
        while not failed and running < self._at_once and (not self._begun or self._ahead(self.left())):
            piece = next(self._work, None)
            if piece is None:
                return
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="abreast")
            self._begun.append(self._pool.submit(self._do, piece))
            running += 1

    def _do(self, piece: Callable[[], T]) -> T:
        _GIVEN_UP.set(self._given_up)
        return piece()


def _failed(one: Future[Any]) -> bool:
    return one.cancelled() or one.exception() is not None
