"""Process trees that belong to this process: started in a session of their own, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

GUARD = Path(__file__).with_name("guard.py")
SLACK_S = 5.0
"""Seconds that the guard gets beyond its grace before it is killed itself."""


class OwnedTree:
    """A command with everything it starts, as a context: leaving it ends all of that.

    The command runs below `guard.py`, in its own session: a Ctrl-C in the terminal reaches this process only, which
    then ends the tree in order. If this process is killed outright, the guard notices and does the same.

    Args:
        command: program and arguments.
        env: the whole environment.
        log: file that gets what the command and the guard print, appended.
        lock: file that is locked for as long as a process of the tree lives; a second tree waits for it.
        spent: file that gets a line with the CPU-seconds of the whole tree when it has ended.
        grace_s: seconds between asking the tree to end and killing it.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        log: Path,
        lock: Path | None = None,
        spent: Path | None = None,
        grace_s: float = 10.0,
    ) -> None:
        self.grace_s = grace_s
        options = ["--parent", str(os.getpid()), "--grace", str(grace_s)]
        if lock is not None:
            options += ["--lock", str(lock)]
        if spent is not None:
            options += ["--spent", str(spent)]
        with log.open("ab") as output:
            self._guard = subprocess.Popen(
                [sys.executable, "-P", str(GUARD), *options, "--", *command],
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id of the guard: the root of the tree, leader of its session and process group."""
        return self._guard.pid

    def poll(self) -> int | None:
        """The command's exit code once the whole tree has ended (128 + n for signal n), None before."""
        code = self._guard.poll()
        return code if code is None or code >= 0 else 128 - code

    def end(self) -> int:
        """Ask the tree to end, wait the grace, have it killed, and return the exit code."""
        if self._guard.poll() is None:
            self._guard.send_signal(signal.SIGTERM)
            try:
                self._guard.wait(self.grace_s + SLACK_S)
            except subprocess.TimeoutExpired:
                kill_tree(self._guard.pid)
                self._guard.wait()
        return self.poll() or 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()


def kill_tree(pid: int) -> None:
    """Kill a process and its living descendants, leaves first; those that are gone already are fine."""
    import psutil

    try:
        root = psutil.Process(pid)
        processes = [*reversed(root.children(recursive=True)), root]
    except psutil.NoSuchProcess:
        return
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


@cache
def end_with(parent: int) -> None:
    """End this process when its parent is gone: a pool's own watch would finish the work first, which may take hours.

    Args:
        parent: process id of the parent; taken by the parent itself, for it may be gone before this process looks.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
