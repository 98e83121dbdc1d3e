"""The owner of a process tree, as a program: whatever happens, nothing of the tree outlives it.

    python resources/guard.py --parent PID [--lock FILE] [--spent FILE] [--grace SECONDS] -- COMMAND...

A caller that is killed with SIGKILL cannot clean up, and torchrun puts its ranks into sessions of their own, so that
signalling one process group misses them. The guard therefore stands between the caller and the command:

* It is a subreaper (`prctl(2)`): ranks whose torchrun died become the guard's children and stay findable.
* It looks for its parent ten times a second. When that is gone, or on TERM, INT or HUP, it asks the command to end
  (torchrun passes that on to its ranks), then asks whatever is left, and after the grace kills all of it.
* When the command ends by itself, whatever it left behind is ended too.
* It appends the CPU-seconds of the whole tree to `--spent`: the processes themselves cannot say what they took when
  they are killed.
* It holds a lock on `--lock` for as long as a process of the tree lives, so that a rerun waits for the last run's end.

Exit code: the command's, 128 + n when signal n ended it, 143 when it was ended from outside. Standard library and
psutil only: it has to be there within milliseconds.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

POLL_S = 0.1
ENDED = 128 + signal.SIGTERM
PR_SET_CHILD_SUBREAPER = 36


class _Asked:
    """Whether somebody, or the death of the parent, asks for the end."""

    def __init__(self, parent: int) -> None:
        self.parent = parent
        self.signalled = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signalled = True

    def __bool__(self) -> bool:
        return self.signalled or os.getppid() != self.parent


def main(argv: list[str]) -> int:
    """Run the command and own everything it starts; returns the exit code."""
    parser = argparse.ArgumentParser(prog="guard", description="Own a process tree.")
    parser.add_argument("--parent", type=int, required=True, help="process whose end is the end of the tree")
    parser.add_argument("--lock", type=Path, help="file that is locked while a process of the tree lives")
    parser.add_argument("--spent", type=Path, help="file that gets a line with the CPU-seconds of the tree")
    parser.add_argument("--grace", type=float, default=10.0, help="seconds between asking and killing")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(argv)
    asked = _Asked(options.parent)
    _adopt_orphans()
    lock = _lock(options.lock, asked) if options.lock else None
    if asked:
        return ENDED
    try:
        return _own(subprocess.Popen(options.command), asked, options.grace)
    finally:
        if options.spent:
            _account(options.spent)
        if lock is not None:
            os.close(lock)


def _own(command: subprocess.Popen[bytes], asked: _Asked, grace: float) -> int:
    while command.poll() is None and not asked:
        time.sleep(POLL_S / 2)
    if command.poll() is None:
        _end(command, grace)
        return ENDED
    _end(command, min(grace, 2.0))
    return command.returncode if command.returncode >= 0 else 128 - command.returncode


def _end(command: subprocess.Popen[bytes], grace: float) -> None:
    """End the command and all its descendants: ask, wait, kill until nobody is left, collect the dead."""
    told = {command.pid}
    if command.poll() is None:
        command.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + grace
    while (alive := _descendants()) and time.monotonic() < deadline:
        if command.poll() is not None:
            for pid in alive - told:
                _signal(pid, signal.SIGTERM)
            told |= alive
        time.sleep(POLL_S)
    while alive := _descendants():
        for pid in alive:
            _signal(pid, signal.SIGKILL)
        time.sleep(POLL_S / 5)
    command.wait()
    _collect()


def _descendants() -> set[int]:
    """Living processes below this one; with Linux's subreaper that includes those whose parents have died."""
    import psutil

    found: set[int] = set()
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                found.add(process.pid)
        except psutil.NoSuchProcess:
            continue
    return found


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _collect() -> None:
    """Take the exit codes of adopted processes: in a container nobody else does."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


def _account(path: Path) -> None:
    """Note what the tree took: its dead have been waited for, by this process or each other."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        with path.open("a", encoding="ascii") as file:
            file.write(f"{used.ru_utime + used.ru_stime:.3f}\n")
    except OSError as error:
        print(f"guard: {error}", file=sys.stderr, flush=True)


def _adopt_orphans() -> None:
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _lock(path: Path, asked: _Asked) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    waiting = False
    while not asked:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if not waiting:
                print(f"guard: waiting for the end of the run that holds {path}", file=sys.stderr, flush=True)
                waiting = True
            time.sleep(POLL_S)
    return descriptor


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
