"""Being asked to stop: a flag that the loop looks at between steps."""

from __future__ import annotations

import signal
from types import FrameType


class Stop:
    """Remembers the first TERM or INT.

    The loop writes a checkpoint after the step at hand and the process ends with 128 + the signal's number.
    """

    def __init__(self) -> None:
        self.signal = 0

    def listen(self) -> None:
        """Take over TERM and INT of this process."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._remember)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.signal = self.signal or number
