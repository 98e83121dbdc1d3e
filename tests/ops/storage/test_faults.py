from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ops.errors import ConfigError
from ops.storage import faults

HERE = Path("somewhere")


def passes(calls: int, operation: str = "write") -> list[int]:
    """Error numbers of so many calls; 0 for one that goes through."""
    numbers = []
    for _ in range(calls):
        try:
            faults.point(operation, HERE)
            numbers.append(0)
        except OSError as error:
            assert error.filename == str(HERE)
            numbers.append(error.errno or 0)
    return numbers


def test_nothing_happens_unless_asked_for() -> None:
    assert passes(3) == [0, 0, 0]


def test_each_kind_does_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SATIETY_FAULT", "eio@3")
    assert passes(5) == [0, 0, errno.EIO, errno.EIO, errno.EIO]
    monkeypatch.setenv("SATIETY_FAULT", "eio-once@2")
    assert passes(4) == [0, errno.EIO, 0, 0]
    monkeypatch.setenv("SATIETY_FAULT", "enospc@2")
    assert passes(3) == [0, errno.ENOSPC, errno.ENOSPC]
    assert passes(1, "unlink") == [0]  # a full disk does not keep anybody from removing
    monkeypatch.delenv("SATIETY_FAULT")
    assert passes(3) == [0, 0, 0]


def test_kill_ends_the_process_before_the_call(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from ops.storage import faults\nfor _ in range(3): faults.point('write', Path('x'))"
    )
    log = tmp_path / "log"
    environment = {**os.environ, "SATIETY_FAULT": "kill@2", "SATIETY_FAULT_LOG": str(log)}
    process = subprocess.run([sys.executable, "-c", code], env=environment, cwd=Path(__file__).parents[3], check=False)
    assert process.returncode == -signal.SIGKILL
    assert log.read_text() == "1\twrite\tx\n2\twrite\tx\n"


def test_the_log_counts_every_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    monkeypatch.setenv("SATIETY_FAULT_LOG", str(log))
    faults.point("create", Path("a"))
    faults.point("fsync", Path("a b"))
    assert log.read_text() == "1\tcreate\ta\n2\tfsync\ta b\n"


@pytest.mark.parametrize("spec", ["kill", "kill@", "kill@0", "kill@-1", "boom@1", "kill@1 ", "eio@x"])
def test_a_fault_that_is_none_is_refused(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SATIETY_FAULT", spec)
    with pytest.raises(ConfigError, match="is not a fault"):
        faults.point("write", HERE)
