"""Following a file of JSON lines while another process writes it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

BLOCK = 1 << 20


class Tail:
    """The records that appear in a JSON-lines file after this object was made, each once.

    A half-written last line waits for its end. The writer may also take lines back (a resumed training drops what it
    had logged beyond its checkpoint): the file is then read anew and lines that were handed out before are passed over.
    A line that is no JSON object is counted in `broken` and left out.

    Args:
        path: the file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.broken = 0
        self._position = 0
        self._file = 0
        self._last = b""
        self._known: set[int] = set()
        for _ in self._new_lines():
            continue

    def poll(self) -> list[dict[str, Any]]:
        """The records since the last call, in the order of the file."""
        found: list[dict[str, Any]] = []
        for line in self._new_lines():
            try:
                record = json.loads(line)
            except ValueError:
                record = None
            if isinstance(record, dict):
                found.append(record)
            else:
                self.broken += 1
        return found

    def _new_lines(self) -> list[bytes]:
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return []
        try:
            self._rewind_if_rewritten(descriptor)
            data = _read_from(descriptor, self._position)
        finally:
            os.close(descriptor)
        whole = data[: data.rfind(b"\n") + 1]
        self._position += len(whole)
        lines = whole.splitlines(keepends=True)
        if lines:
            self._last = lines[-1]
        fresh = [line for line in lines if hash(line) not in self._known]
        self._known.update(map(hash, fresh))
        return fresh

    def _rewind_if_rewritten(self, descriptor: int) -> None:
        state = os.fstat(descriptor)
        before = os.pread(descriptor, len(self._last), self._position - len(self._last)) if self._last else b""
        if state.st_ino != self._file or state.st_size < self._position or before != self._last:
            self._position, self._last = 0, b""
        self._file = state.st_ino


def _read_from(descriptor: int, position: int) -> bytes:
    blocks: list[bytes] = []
    while block := os.pread(descriptor, BLOCK, position):
        blocks.append(block)
        position += len(block)
    return b"".join(blocks)


def last_lines(path: Path, count: int = 8, width: int = 300) -> list[str]:
    """The last non-empty lines of a text file, each cut to `width` characters; nothing where there is no file."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            file.seek(max(0, size - 64 * 1024))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line.rstrip()[:width] for line in text.splitlines() if line.strip()][-count:]
