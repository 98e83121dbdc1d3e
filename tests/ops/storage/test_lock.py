from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ops.errors import StorageError
from ops.storage import Store, lock
from tests.ops.storage.helpers import INPUTS, NEW, slot_of, write_new

REPOSITORY = Path(__file__).parents[3]
SLOW_COMMIT = """
import sys, time
from pathlib import Path
from tests.ops.storage.helpers import INPUTS, NEW, slot_of

def write(output):
    print("building", flush=True)
    time.sleep(60)

slot_of(Path(sys.argv[1])).commit(NEW, INPUTS, write)
"""


@pytest.fixture
def builder(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process in the middle of building."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_COMMIT, str(tmp_path)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "building\n"
    return process


def test_a_waiting_process_says_for_whom_and_goes_on_when_the_holder_is_killed(
    tmp_path: Path, builder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lock, "PATIENCE_S", 0.2)
    killer = threading.Timer(0.8, lambda: os.kill(builder.pid, signal.SIGKILL))
    killer.start()
    try:
        with caplog.at_level(logging.WARNING, "satiety.storage"):
            started = time.monotonic()
            _, built = slot_of(tmp_path).commit(NEW, INPUTS, write_new)
    finally:
        killer.join()
        builder.wait()
    assert built and time.monotonic() - started > 0.5
    [message] = caplog.messages
    assert message.startswith("waiting for demo/clean_corpus/books%2F%C3%A9/bbbb")
    assert f"held by process {builder.pid} on " in message


def test_reading_and_other_partitions_do_not_wait(tmp_path: Path, builder: subprocess.Popen[str]) -> None:
    try:
        assert slot_of(tmp_path).version(NEW) is None
        assert slot_of(tmp_path).current() is None
        _, built = Store(tmp_path).slot("demo", "clean_corpus", "other").commit(NEW, INPUTS, write_new)
        assert built
    finally:
        builder.kill()
        builder.wait()


def test_threads_exclude_each_other(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        with lock.hold(tmp_path / "x.lock", "x"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 6


def test_a_lock_can_be_tried_without_waiting(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    assert lock.is_free(path) and not path.exists()
    with lock.hold(path, "x"):
        assert not lock.is_free(path)
        with lock.try_hold(path) as free:
            assert not free
    with lock.try_hold(path) as free:
        assert free and not lock.is_free(path)


def test_an_error_within_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(KeyError), lock.hold(tmp_path / "x.lock", "x"):
        raise KeyError
    assert lock.is_free(tmp_path / "x.lock")


def test_a_folder_in_place_of_the_lock_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "x.lock").mkdir()
    with (
        pytest.raises(StorageError, match="folder stands where a lock file belongs"),
        lock.hold(tmp_path / "x.lock", "x"),
    ):
        pass
