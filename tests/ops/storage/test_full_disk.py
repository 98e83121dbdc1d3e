"""A full or failing disk is a typed error; nothing half-written gets a name; with space again, a rerun succeeds."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ops.errors import DiskFull, StorageError
from ops.storage import AtomicFile, Counts, Output, Store, gc, verify
from ops.storage.files import translate
from tests.ops.storage.helpers import INPUTS, NEW, OLD, forget_verified, slot_of, staging_leftovers, write_old

TABLE = pl.DataFrame({"id": [f"p/{i}" for i in range(200)], "x": range(200)})


def write_all_kinds(output: Output) -> Counts:
    output.parquet("data.parquet", TABLE)
    output.json("statistics.json", {"a": 1})
    with output.array("tokens.bin") as tokens:
        tokens.write(np.arange(10, dtype=np.uint16))
    return Counts(rows_in=200, rows_out=200)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The manifest of an undisturbed run."""
    version, _ = slot_of(tmp_path_factory.mktemp("undisturbed")).commit(NEW, INPUTS, write_all_kinds)
    return (version.path / "manifest.json").read_bytes()


@pytest.mark.parametrize("before", ["empty", pytest.param("old", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("kind", "error"), [("enospc", DiskFull), ("eio", StorageError), ("eio-once", StorageError)])
def test_failing_at_every_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest: bytes, kind: str, error: type[StorageError], before: str
) -> None:
    for number in range(1, 1000):
        root = tmp_path / str(number)
        slot = slot_of(root)
        if before == "old":
            slot.commit(OLD, INPUTS, write_old)
        log = tmp_path / f"{number}.log"
        monkeypatch.setenv("SATIETY_FAULT_LOG", str(log))
        monkeypatch.setenv("SATIETY_FAULT", f"{kind}@{number}")
        try:
            slot.commit(NEW, INPUTS, write_all_kinds)
        except StorageError as failure:
            assert type(failure) is error and failure.exit_code == 74
            assert failure.where.startswith(str(tmp_path))
            if kind == "enospc":
                assert "needs" in failure.message and "are free" in failure.message
        finally:
            monkeypatch.delenv("SATIETY_FAULT")
            monkeypatch.delenv("SATIETY_FAULT_LOG")
        forget_verified()
        # What has a name is whole, and the current version is the old or the new one.
        assert set(slot.fingerprints()) <= {OLD, NEW}
        assert verify(Store(root)) == []
        current = slot.current()
        assert current is None if before == "empty" and not slot.fingerprints() else True
        if kind == "enospc":
            assert staging_leftovers(root) == []
        # With a good disk the same call succeeds, with the same result.
        version, _ = slot.commit(NEW, INPUTS, write_all_kinds)
        assert (version.path / "manifest.json").read_bytes() == manifest
        assert slot.current() == version
        gc(Store(root), dry_run=False, keep=2)
        assert staging_leftovers(root) == [] and verify(Store(root)) == []
        if len(log.read_text().splitlines()) < number:  # the fault was never reached
            assert number > 30
            return
    pytest.fail("no run got through")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine does not allow mounting")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def noise(size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)


def write_big(output: Output, kind: str, outside: Path) -> None:
    data = noise(3_000_000)
    if kind == "parquet":
        output.parquet("big", pl.DataFrame({"x": data}))
    elif kind == "json":
        output.json("big", data.tolist())
    elif kind == "bytes":
        output.bytes("big", data.tobytes())
    elif kind == "adopt":
        outside.write_bytes(data.tobytes())
        output.adopt("big", outside)
    else:
        with output.array("big") as writer:
            for start in range(0, data.size, 100_000):
                writer.write(data[start : start + 100_000])


@pytest.mark.parametrize("kind", ["parquet", "json", "bytes", "array", "adopt"])
def test_a_really_full_disk(small_disk: Path, tmp_path: Path, kind: str) -> None:
    slot = Store(small_disk / "store").slot("demo", "shards")
    old, _ = slot.commit(OLD, {}, lambda output: output.bytes("big", noise(300_000).tobytes()))
    with pytest.raises(DiskFull) as caught:
        slot.commit(NEW, {}, lambda output: write_big(output, kind, tmp_path / "outside"))
    assert caught.value.where.endswith("/big")
    assert "no space left on the disk: write needs " in caught.value.message
    assert slot.fingerprints() == [OLD] and slot.current() == old
    assert staging_leftovers(slot.store.root) == []
    forget_verified()
    assert verify(slot.store) == []
    _, built = slot.commit(NEW, {}, lambda output: output.bytes("small", b"fits"))
    assert built


def test_the_message_names_path_bytes_needed_and_bytes_free(small_disk: Path) -> None:
    with pytest.raises(DiskFull) as caught, AtomicFile(small_disk / "x") as file:
        file.write(b"\0" * 2_000_000)
    assert str(caught.value).startswith(
        f"{small_disk}/x: no space left on the disk: write needs 2,000,000 bytes, 0 are free (free some space"
    )
    assert list(small_disk.iterdir()) == []


def test_a_used_up_quota_is_told_apart(tmp_path: Path) -> None:
    error = translate(OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), "write", tmp_path / "gone/x", needed=10)
    assert isinstance(error, DiskFull)
    assert error.message.startswith("the disk quota is used up: write needs 10 bytes, ")
    assert not isinstance(translate(OSError(errno.EROFS, "Read-only file system"), "mkdir", tmp_path), DiskFull)
    for number, hint in ((errno.EACCES, "SATIETY_STORE"), (errno.EROFS, "SATIETY_STORE"), (errno.EFBIG, "ulimit -f")):
        assert hint in str(translate(OSError(number, os.strerror(number)), "write", tmp_path))
    assert str(translate(OSError(errno.EIO, "I/O"), "write", tmp_path)) == f"{tmp_path}: write failed: I/O"
