"""Signals during a run: which one ended it, and holding them back for a moment.

Dagster takes TERM for Ctrl-C, from its first run on, and does not say which it was.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held() -> Iterator[None]:
    """Let the handlers of both signals wait until the block has ended; outside the main thread this does nothing.

    A mask (`pthread_sigmask`) would not do: another thread takes the signal, and Python runs the handler in this one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.signal(number, note) for number in NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[-1])


class Signals:
    """Remembers the signals that come during a `with` block, whoever handles them, and puts the handlers back after it.

    Python writes the number of each signal to a file descriptor of our choice before any handler sees it. Outside the
    main thread, which alone gets signals, this does nothing.
    """

    def __init__(self) -> None:
        self._main = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        if self._main:
            self._handlers = {number: signal.getsignal(number) for number in NUMBERS}
            self._read, self._write = os.pipe()
            os.set_blocking(self._read, False)
            os.set_blocking(self._write, False)
            self._before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._main:
            signal.set_wakeup_fd(self._before)
            self._put_back()
            os.close(self._read)
            os.close(self._write)

    def raise_again(self) -> None:
        """Send the last signal to those who would have got it, if there was one; they are expected to raise."""
        if not self._main:
            return
        try:
            came = os.read(self._read, 1024)
        except BlockingIOError:
            return
        self._put_back()
        numbers = [number for number in came if number in NUMBERS]
        if numbers:
            signal.raise_signal(numbers[-1])

    def _put_back(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
