"""One call in a process of its own."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from ops.errors import BadData, SatietyError, Temporary
from resources.child import ONE_CORE, call_apart
from tests.resources import clusters


def test_result_environment_and_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLARS_MAX_THREADS", "8")
    item, value, pid = call_apart(clusters.square, 3)
    assert (item, value) == (3, 9) and pid != os.getpid() and not psutil.pid_exists(pid)
    found = call_apart(clusters.threads, 0, {"SATIETY_MIRROR": "there"})
    assert found == {**ONE_CORE, "SATIETY_MIRROR": "there"}


def test_errors_are_whole() -> None:
    with pytest.raises(BadData) as caught:
        call_apart(clusters.wrong, 2)
    assert (caught.value.message, caught.value.where, caught.value.hint) == ("no header", "file.csv:1", "add one")
    with pytest.raises(ZeroDivisionError, match="of course") as other:
        call_apart(clusters.unknown, 2)
    assert "in unknown" in "".join(other.value.__notes__)


def test_results_that_cannot_be_sent_are_named() -> None:
    with pytest.raises(TypeError, match="cannot be sent"):
        call_apart(clusters.unsendable, 2)


def test_killed_is_temporary_and_a_plain_end_is_not() -> None:
    with pytest.raises(Temporary, match=r"killed \(signal 9\)"):
        call_apart(clusters.die, 1)
    with pytest.raises(SatietyError, match="ended with 3") as caught:
        call_apart(os._exit, 3)
    assert not isinstance(caught.value, Temporary)


def test_called_off(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(Temporary, match="called off"):
        call_apart(clusters.linger, str(tmp_path), wanted=lambda: not list(tmp_path.iterdir()))
    (file,) = tmp_path.iterdir()
    assert not psutil.pid_exists(int(file.name.split("-")[1])) and time.monotonic() - begun < 20
