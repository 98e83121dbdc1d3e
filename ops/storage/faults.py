"""The seam for fault injection: every call that changes the file system passes `point` first.

The tests of the commit protocol fail the Nth such call, for every N until a run gets through, as SQLite's tests do
(https://www.sqlite.org/testing.html, "I/O error testing"). Two environment variables steer it in any process:

    SATIETY_FAULT=kill@7       the process is killed (SIGKILL) in place of its 7th call
    SATIETY_FAULT=enospc@7     from the 7th call on, calls that need space fail with ENOSPC
    SATIETY_FAULT=eio@7        from the 7th call on, every call fails with EIO
    SATIETY_FAULT=eio-once@7   the 7th call fails with EIO, later ones work
    SATIETY_FAULT_LOG=file     each call is appended to the file as "number<TAB>operation<TAB>path"
"""

from __future__ import annotations

import errno
import os
import re
import signal
import threading
from pathlib import Path

from ops.errors import ConfigError

NEEDS_NO_SPACE = frozenset({"unlink", "rmdir", "unlock"})
_SPEC = re.compile(r"(kill|enospc|eio|eio-once)@([1-9][0-9]*)")


class _Seam:
    """Counts calls since the two variables last changed, and fails the one they name."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._armed: tuple[str, str] = ("", "")
        self._kind = ""
        self._at = 0
        self._count = 0

    def point(self, operation: str, path: Path) -> None:
        """Count one call and, if it is the one to fail, fail it."""
        wanted = (os.environ.get("SATIETY_FAULT", ""), os.environ.get("SATIETY_FAULT_LOG", ""))
        if wanted == self._armed == ("", ""):
            return
        with self._mutex:
            if wanted != self._armed:
                self._arm(wanted)
            self._count += 1
            number = self._count
            self._log(number, operation, path)
        self._fail(number, operation, path)

    def _arm(self, wanted: tuple[str, str]) -> None:
        self._kind, self._at = parse_fault(wanted[0]) if wanted[0] else ("", 0)
        self._armed, self._count = wanted, 0

    def _log(self, number: int, operation: str, path: Path) -> None:
        if not self._armed[1]:
            return
        # One write to a file opened for appending: lines of several processes do not mix, a kill does not lose them.
        log = os.open(self._armed[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(log, f"{number}\t{operation}\t{path}\n".encode())
        finally:
            os.close(log)

    def _fail(self, number: int, operation: str, path: Path) -> None:
        if self._kind == "kill" and number == self._at:
            os.kill(os.getpid(), signal.SIGKILL)
        elif self._kind == "enospc" and number >= self._at and operation not in NEEDS_NO_SPACE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        elif (self._kind == "eio" and number >= self._at) or (self._kind == "eio-once" and number == self._at):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))


def parse_fault(spec: str) -> tuple[str, int]:
    """Kind and number of a `SATIETY_FAULT`.

    Raises:
        ConfigError: it is not `kind@number`.
    """
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise ConfigError(
            f"{spec!r} is not a fault", where="SATIETY_FAULT", hint="kill@7, enospc@7, eio@7 or eio-once@7"
        )
    return match[1], int(match[2])


_seam = _Seam()


def point(operation: str, path: Path) -> None:
    """Pass the seam just before an operation on a path; does nothing unless a fault or a log is asked for."""
    _seam.point(operation, path)
