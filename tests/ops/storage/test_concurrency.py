"""Several writers and readers at once: one builds, all see whole versions, nobody's work is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from ops.storage import Counts, Output, Store, files, gc, verify
from tests.ops.storage.helpers import INPUTS, NEW, OLD, slot_of, staging_leftovers, write_new, write_old

REPOSITORY = Path(__file__).parents[3]
FINGERPRINTS = ["f1", "f2", "f3"]

WRITER = """
import json, sys, time
from pathlib import Path
from ops.storage import Store
root, number = Path(sys.argv[1]), int(sys.argv[2])
slot = Store(root).slot("demo", "shards")
order = ["f1", "f2", "f3"]
order = order[number % 3:] + order[:number % 3]
sys.stdin.readline()
for fingerprint in order:
    def write(output):
        time.sleep(0.05)
        output.text("who.txt", fingerprint)
        output.bytes("data.bin", fingerprint.encode() * 1000)
    version, built = slot.commit(fingerprint, {}, write)
    version.check()
    print(json.dumps([fingerprint, built, version.digest]), flush=True)
"""


def test_five_writers_of_three_versions_build_each_once(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(number)],
            cwd=REPOSITORY,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(5)
    ]
    for process in processes:  # all have started when the first begins
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    lines = [json.loads(line) for process in processes for line in process.communicate(timeout=60)[0].splitlines()]
    assert all(process.returncode == 0 for process in processes)
    assert len(lines) == 15
    assert Counter(fingerprint for fingerprint, built, _ in lines if built) == dict.fromkeys(FINGERPRINTS, 1)
    assert len({(fingerprint, digest) for fingerprint, _, digest in lines}) == 3
    slot = Store(tmp_path).slot("demo", "shards")
    assert slot.fingerprints() == FINGERPRINTS
    assert slot.peek() in FINGERPRINTS
    assert verify(Store(tmp_path)) == []
    assert staging_leftovers(tmp_path) == []
    assert {path.name for path in slot.path.iterdir()} == {*FINGERPRINTS, "current", "history"}


def test_threads_may_commit_partitions_and_the_same_fingerprint(tmp_path: Path) -> None:
    built: list[tuple[str, bool]] = []

    def commit(partition: str) -> None:
        def write(output: Output) -> Counts:
            time.sleep(0.02)
            return write_new(output)

        built.append((partition, Store(tmp_path).slot("demo", "shards", partition).commit(NEW, INPUTS, write)[1]))

    threads = [threading.Thread(target=commit, args=(str(number % 4),)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(partition for partition, new in built if new) == {"0": 1, "1": 1, "2": 1, "3": 1}
    assert len(built) == 12 and verify(Store(tmp_path)) == []


@pytest.mark.parametrize("swap", ["exchange", "two renames"])
def test_readers_always_find_a_whole_current_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: str
) -> None:
    if swap == "two renames":
        monkeypatch.setattr(files, "exchange", lambda one, other: False)
    slot = slot_of(tmp_path)
    versions = [slot.commit(OLD, INPUTS, write_old)[0], slot.commit(NEW, INPUTS, write_new)[0]]
    done = threading.Event()
    seen: list[str] = []
    broken: list[BaseException | str] = []

    def read() -> None:
        while not done.is_set():
            try:
                version = slot_of(tmp_path).current()
                if version is None:
                    broken.append("no current version")
                    continue
                version.check()
                seen.append(version.json("statistics.json")["version"])
            except BaseException as error:
                broken.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for turn in range(100):
        slot.point(versions[turn % 2])
    done.set()
    for reader in readers:
        reader.join()
    assert broken == []
    assert set(seen) == {"old", "new"}
    assert verify(Store(tmp_path)) == []


def test_current_can_be_opened_by_its_path_at_any_moment_where_names_can_be_exchanged(tmp_path: Path) -> None:
    """What DVC or a shell sees: there is no moment without `current/`, and none with half of it."""
    slot = slot_of(tmp_path)
    versions = [slot.commit(OLD, INPUTS, write_old)[0], slot.commit(NEW, INPUTS, write_new)[0]]
    (slot.path / "one").mkdir()
    (slot.path / "other").mkdir()
    if not files.exchange(slot.path / "one", slot.path / "other"):
        pytest.skip("this file system cannot exchange names")
    done = threading.Event()
    missing: list[OSError] = []

    def read() -> None:
        while not done.is_set():
            try:
                (slot.path / "current/statistics.json").read_bytes()
            except OSError as error:
                missing.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(60):
        slot.point(versions[turn % 2])
    done.set()
    reader.join()
    assert missing == []


def test_gc_beside_writers_takes_nothing_that_is_needed(tmp_path: Path) -> None:
    done = threading.Event()
    failed: list[BaseException] = []

    def collect() -> None:
        while not done.is_set():
            try:
                gc(Store(tmp_path), dry_run=False)
            except BaseException as error:
                failed.append(error)

    collector = threading.Thread(target=collect)
    collector.start()
    slot = slot_of(tmp_path)
    try:
        for turn in range(40):
            version, _ = slot.commit(f"f{turn % 3}", INPUTS, write_new)
            version.check()
            assert slot.current() == version
    finally:
        done.set()
        collector.join()
    assert failed == []
    assert slot.peek() == "f0"
    gc(Store(tmp_path), dry_run=False)
    assert slot.fingerprints() == ["f0"] and staging_leftovers(tmp_path) == []
