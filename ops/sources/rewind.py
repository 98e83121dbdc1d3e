"""Going back in a stream: files seek; of what cannot, the bytes behind a mark are kept in a temporary file."""

from __future__ import annotations

import tempfile
from typing import BinaryIO

SPOOLED = 16 << 20
"""What is kept lies in memory up to this size, then in a temporary file."""


class Rewindable:
    """A stream that is read from front to back, and once more from one marked place."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._seeks = stream.seekable()
        self._kept = tempfile.SpooledTemporaryFile(max_size=SPOOLED)  # noqa: SIM115 - lives as long as the stream
        self._marked = False
        self._place = 0

    def read(self, size: int) -> bytes:
        """The next bytes, fewer only at the end."""
        if self._seeks:
            return self._stream.read(size)
        data = self._kept.read(size)
        if len(data) < size:
            more = self._stream.read(size - len(data))
            if self._marked:
                self._kept.write(more)
            elif self._kept.tell():
                self._kept.seek(0)
                self._kept.truncate()
            data = data + more if data else more
        return data

    def mark(self) -> None:
        """Remember this place, instead of any earlier one."""
        self._marked = True
        self._place = self._stream.tell() if self._seeks else self._kept.tell()

    def release(self) -> None:
        """Forget the marked place."""
        self._marked = False

    def rewind(self) -> None:
        """Go back to the marked place, and forget it."""
        self._marked = False
        if self._seeks:
            self._stream.seek(self._place)
        else:
            self._kept.seek(self._place)
