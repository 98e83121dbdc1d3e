"""A process of the loader: `python -m ops.training.crew_worker SOCKET MEMORY`, both as inherited descriptors.

It ends well when the other side of its socket is closed. See `ops.training.crew`.
"""

from __future__ import annotations

import json
import mmap
import resource
import sys
import time
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from ops.errors import IntegrityError, SatietyError
from ops.nn.spec import InputSpec, Spec
from ops.storage.meter import RSS_UNIT
from ops.training.changing.base import Changing, changing_of
from ops.training.data import Examples
from ops.training.run import Changes


class Hand:
    """What it was told at first, and the memory that it writes to."""

    def __init__(self, told: Mapping[str, Any], memory: int) -> None:
        self._arrays = tuple(_mapped(array) for array in told["arrays"])
        self._changing: Changing | None = None
        if told["changes"] is not None:
            changes = Changes.model_validate_json(json.dumps(told["changes"]))
            spec: Spec = TypeAdapter(InputSpec).validate_json(json.dumps(told["input"]))
            self._changing = changing_of(changes, spec, told["seed"])
        self._file, self._room = memory, 0
        self._memory: mmap.mmap | None = None

    def make(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Write the values that were asked for into the memory; returns what this process has taken so far."""
        source, offset, length = (np.array(order[name], np.int64) for name in ("source", "offset", "length"))
        examples = Examples(self._arrays, source, offset, length, np.zeros(len(source)))
        rows = np.arange(len(source))
        if self._changing is None:
            values = examples.values(rows)
        else:
            values, length = self._changing(examples.slices(rows), order["ids"], order["epoch"])
        self._put(values, order["room"])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT
        said = {"width": values.shape[1], "lengths": length.tolist()}
        return {**said, "cpu_s": time.process_time(), "peak": peak}

    def _put(self, values: NDArray[Any], room: int) -> None:
        if self._memory is None or room != self._room:
            self._memory, self._room = mmap.mmap(self._file, room), room
        np.frombuffer(self._memory, values.dtype, values.size)[:] = values.ravel()


def _mapped(array: Mapping[str, Any]) -> NDArray[Any]:
    path, dtype, size = Path(array["path"]), np.dtype(array["dtype"]), int(array["size"])
    if not path.stat().st_size:
        return np.zeros(size, dtype)  # an empty file cannot be mapped
    if path.stat().st_size < size * dtype.itemsize:
        raise IntegrityError("the file has become shorter", where=str(path), hint="satiety verify")
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", shape=(size,)))


def _told(error: Exception) -> dict[str, Any]:
    if isinstance(error, SatietyError):
        parts = {"kind": type(error).__name__, "message": error.message, "where": error.where, "hint": error.hint}
    else:
        said = f"{type(error).__name__}: {error}"
        parts = {"kind": "", "message": said, "where": "a process of the loader", "hint": ""}
    return {"error": parts}


def main(arguments: list[str]) -> int:
    """Do what is asked until the other side is gone."""
    connection, memory = Connection(int(arguments[0])), int(arguments[1])
    try:
        hand: Hand | None = None
        told = json.loads(connection.recv_bytes())
        while True:
            order = json.loads(connection.recv_bytes())
            try:
                hand = hand or Hand(told, memory)
                answer = hand.make(order)
            except Exception as error:  # whatever it is, it belongs to whoever asked
                answer = _told(error)
            connection.send_bytes(json.dumps(answer).encode())
    except (EOFError, ConnectionError):
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
