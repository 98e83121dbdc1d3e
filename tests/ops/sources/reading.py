"""What the tests of file sources share: reading a source's bytes through small windows, and the whole as one batch."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from ops.sources.base import Batch
from ops.sources.window import Window


def whole(batches: Iterator[Batch] | list[Batch]) -> Batch:
    """All batches as one."""
    parts = list(batches)
    return Batch(pl.concat([part.table for part in parts]), pl.concat([part.rejects for part in parts]))


def read_bytes(source: Any, data: bytes, block: int = 1 << 16) -> Batch:
    """The rows and rejects of a file with these bytes, read in blocks of the given size."""
    encoding = getattr(source, "encoding", "utf-8")
    window = Window(BytesIO(data), "f", encoding, block)
    if hasattr(source, "header"):
        return whole(source.read_window(window, "f"))
    return whole(source.read_window(window))


def read_file(source: Any, folder: Path, data: bytes, name: str = "f") -> Batch:
    """The same through a real file."""
    (folder / name).write_bytes(data)
    return whole(source.resolve(folder).read())
