"""Processes that read and change examples for the loader, where threads would wait for each other (Python's lock).

Each is a program of its own (`ops.training.crew_worker`), started afresh, without torch. It is told the files of the
token cache, which this process has verified, and then over a socket, as JSON, which examples of which epoch it is to
make. Values come back through memory that both have mapped: a file without a name, which the kernel frees with the last
of them, however they end. The processes take no notice of TERM and INT, which are for this process to heed; they end
when their socket closes, as it does when this process is killed.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ops import errors
from ops.errors import DiskFull, SatietyError, Temporary
from ops.training.altering import Altering
from ops.training.cache_files import DATA
from ops.training.data import Examples
from ops.training.order import Rows
from ops.training.run import CacheInput, RunSpec

WORKER = "ops.training.crew_worker"
ROOT = Path(__file__).resolve().parents[2]
LAST_WORDS_S = 5.0
"""Seconds that a process has to end after its socket was closed."""


def hired(run: RunSpec, examples: Examples, alter: Altering | None) -> Crew | None:
    """The processes of a run, which read the examples and change them as `alter` does; None where threads do it."""
    settings = run.training.loader
    return None if settings.kind == "threads" else Crew(settings.workers, examples, run.inputs, alter)


class Crew:
    """Processes that give the values of examples as they are in an epoch; any thread may ask."""

    def __init__(
        self, count: int, examples: Examples, inputs: Sequence[CacheInput], alter: Altering | None = None
    ) -> None:
        """Start the processes; they get ready while this one goes on.

        Args:
            count: how many.
            examples: what is read; its bytes have been verified.
            inputs: where it lies.
            alter: how it is changed; None where it is not.
        """
        self._examples, self._alter = examples, alter
        self._read, file = (examples, DATA) if alter is None else (alter.read, alter.file)
        arrays = [
            {"path": str(Path(part.path, file)), "dtype": array.dtype.str, "size": len(array)}
            for part, array in zip(inputs, self._read.arrays, strict=True)
        ]
        told: dict[str, Any] = {"arrays": arrays, "changes": None}
        if alter is not None:
            of = alter.changing
            told |= {"changes": of.changes.model_dump(mode="json"), "input": of.spec.model_dump(mode="json")}
            told["seed"] = of.seed
        self._hands: list[_Hand] = []
        self._idle: queue.SimpleQueue[_Hand] = queue.SimpleQueue()
        try:
            for _ in range(count):
                self._hands.append(_Hand(told))
                self._idle.put(self._hands[-1])
        except BaseException:
            self.close()
            raise

    def values(self, rows: Rows, epoch: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """(B, longest) values of those rows, changed as in the epoch, and how many each has.

        Raises:
            Temporary: the process was killed.
            SatietyError: what went wrong in it.
        """
        hand = self._idle.get()
        try:
            places = {name: getattr(self._read, name)[rows].tolist() for name in ("source", "offset", "length")}
            ids = [] if self._alter is None else self._alter.ids(rows)
            longest = max(1, int(self._examples.length[rows].max(initial=0)))
            if self._alter is not None:
                longest = max(longest, self._alter.changing.longest)
            dtype = self._examples.arrays[0].dtype
            return hand.ask({**places, "ids": ids, "epoch": epoch}, (len(rows), longest), dtype)
        finally:
            self._idle.put(hand)

    def spent(self) -> tuple[float, int]:
        """CPU-seconds and the sum of the peaks of resident memory in bytes of all processes, as they last said."""
        return sum(hand.cpu_s for hand in self._hands), sum(hand.peak for hand in self._hands)

    @property
    def pids(self) -> list[int]:
        """Their process ids."""
        return [hand.process.pid for hand in self._hands]

    def close(self) -> None:
        """End the processes; called when nobody waits for one any more."""
        for hand in self._hands:
            hand.connection.close()
        for hand in self._hands:
            hand.end()


class _Hand:
    """One process, its socket and its memory."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.cpu_s, self.peak = 0.0, 0
        self._size = 0
        self._memory: mmap.mmap | None = None
        self._file = _nameless()
        mine, its = socket.socketpair()
        self.connection = Connection(mine.detach())
        try:
            self.process = _start(its.fileno(), self._file)
        except BaseException:
            self.connection.close()
            os.close(self._file)
            raise
        finally:
            its.close()
        with contextlib.suppress(OSError):  # one that is dead already is noticed when it is asked
            self.connection.send_bytes(json.dumps(told).encode())

    def ask(
        self, order: Mapping[str, Any], room: tuple[int, int], dtype: np.dtype[Any]
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """What it makes of an order, as arrays of its own; `room` is the largest shape that this may have."""
        self._make_room(room[0] * room[1] * dtype.itemsize)
        try:
            self.connection.send_bytes(json.dumps({**order, "room": self._size}).encode())
            answer = json.loads(self.connection.recv_bytes())
        except (OSError, EOFError) as error:
            self._mourn(error)
        if "error" in answer:
            _raise(answer["error"])
        self.cpu_s, self.peak = answer["cpu_s"], answer["peak"]
        if self._memory is None:
            raise TypeError("there is no memory to read from")
        shape = (room[0], int(answer["width"]))
        values = np.frombuffer(self._memory, dtype, shape[0] * shape[1]).reshape(shape).copy()
        return values, np.array(answer["lengths"], np.int64)

    def end(self) -> None:
        """Wait until it has ended, or end it."""
        try:
            self.process.wait(LAST_WORDS_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self._memory is not None:
            self._memory.close()
        os.close(self._file)

    def _make_room(self, size: int) -> None:
        """Make the memory large enough; what is written where no room was set aside would kill the process."""
        if size <= self._size:
            return
        try:
            os.ftruncate(self._file, size)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(self._file, 0, size)
        except OSError as error:
            raise DiskFull(f"no room for a batch of {size} bytes", where="training.loader") from error
        if self._memory is not None:
            self._memory.close()
        self._memory, self._size = mmap.mmap(self._file, size), size

    def _mourn(self, error: BaseException) -> NoReturn:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(LAST_WORDS_S)
        code = self.process.returncode
        said = "closed its socket" if code is None else f"ended with code {code}"
        if code is not None and code < 0:
            said = f"was ended by {signal.Signals(-code).name}"
        raise Temporary(
            f"a process of the loader {said}",
            where="training.loader",
            hint="lower training.loader.workers if memory was short; training goes on from the last checkpoint",
        ) from error


def _start(connection: int, memory: int) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", WORKER, str(connection), str(memory)]
    # Signals that are held back now are so in the new process for good. (In no other thread: a mask is of one.)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        return subprocess.Popen(command, env=environment, pass_fds=(connection, memory), stdin=subprocess.DEVNULL)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _nameless() -> int:
    """A file in memory, or else on the disk, that no folder lists."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("satiety-loader")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _raise(told: Mapping[str, str]) -> NoReturn:
    kind = getattr(errors, told["kind"], None)
    if not (isinstance(kind, type) and issubclass(kind, SatietyError)):
        kind = SatietyError
    raise kind(told["message"], where=told["where"], hint=told["hint"])
