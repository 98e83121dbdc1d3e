"""The journal of metrics: one JSON object a line, each step's exactly once, whatever was killed in between."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ops.storage.files import change
from ops.storage.hashing import canonical_json

MEASURED = ("time_ms", "examples_per_s")
"""Keys that are of the machine and the hour; the history leaves them out, so that equal runs have equal bytes."""


class Journal:
    """Appends lines to `metrics.jsonl`."""

    def __init__(self, path: Path, size: int) -> None:
        """Go on behind the first `size` bytes; what a killed process wrote after its last checkpoint is cut off."""
        self._path = path
        self._file = change("create", path, lambda: os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644))
        if os.fstat(self._file).st_size != size:
            change("truncate", path, lambda: os.ftruncate(self._file, size))
        self._size = size

    def write(self, record: dict[str, Any]) -> None:
        """Append one record."""
        line = canonical_json(record).encode() + b"\n"
        # One call a line: who reads along sees whole lines, and one torn line at most after a kill.
        change("write", self._path, lambda: os.write(self._file, line), needed=len(line))
        self._size += len(line)

    def sync(self) -> int:
        """Make the lines durable; returns their bytes, which a checkpoint notes."""
        change("fsync", self._path, lambda: os.fsync(self._file))
        return self._size

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def history(journal: bytes) -> bytes:
    """The journal's lines without what was measured by a clock."""
    import json

    records = (json.loads(line) for line in journal.splitlines())
    kept = ({key: value for key, value in record.items() if key not in MEASURED} for record in records)
    return b"".join(canonical_json(record).encode() + b"\n" for record in kept)
