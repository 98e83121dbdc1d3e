"""Which signal ended a run: Dagster takes TERM for Ctrl-C, from its first run on, and does not say which it was."""

from __future__ import annotations

import os
import signal
import threading
from types import TracebackType
from typing import Self

NUMBERS = (signal.SIGINT, signal.SIGTERM)


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
