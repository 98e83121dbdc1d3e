"""Readers get the bytes that were committed, or an error that names the file; never anything in between."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ops.errors import IntegrityError, StorageError
from ops.storage import Output, Store, Version, sha256_file
from tests.ops.storage.helpers import forget_verified

READS: dict[str, Callable[[Version], Any]] = {
    "data.parquet": lambda version: version.parquet("data.parquet"),
    "statistics.json": lambda version: version.json("statistics.json"),
    "tokens.bin": lambda version: version.array("tokens.bin", np.uint16),
    "model.safetensors": lambda version: version.file("model.safetensors"),
    "manifest.json": lambda version: Version.open(version.path),
    "cost.json": lambda version: Version.open(version.path).cost,
}


def write(output: Output) -> None:
    output.parquet("data.parquet", pl.DataFrame({"id": [f"p/{i}" for i in range(500)], "x": range(500)}))
    output.json("statistics.json", {"classes": list("abcdefgh"), "mean": 0.25})
    with output.array("tokens.bin") as tokens:
        tokens.write(np.arange(1000, dtype=np.uint16))
    output.bytes("model.safetensors", bytes(range(256)) * 4)


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    return Store(tmp_path_factory.mktemp("store")).slot("demo", "model").commit("f0", {}, write)[0]


@pytest.fixture
def no_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every parser that a reader could call fails the test."""

    def parsed(*args: object, **kwargs: object) -> None:
        pytest.fail("parsed before it was checked")

    monkeypatch.setattr(pl, "read_parquet", parsed)
    monkeypatch.setattr(json, "loads", parsed)
    monkeypatch.setattr(np, "memmap", parsed)


def flip(path: Path, bit: int) -> Callable[[], object]:
    """Flip one bit in place; returns what undoes it."""
    good = path.read_bytes()
    bad = bytearray(good)
    bad[bit // 8] ^= 1 << bit % 8
    path.write_bytes(bad)
    return lambda: path.write_bytes(good)


@pytest.mark.parametrize("name", READS)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True))
@example(where=0.0)
@example(where=0.9999999)
def test_a_flipped_bit_anywhere_is_an_error_that_names_the_file(
    version: Version, monkeypatch: pytest.MonkeyPatch, name: str, where: float
) -> None:
    path = version.path / name
    reader = Version.open(version.path) if name not in ("manifest.json", "cost.json") else version
    undo = flip(path, int(where * path.stat().st_size * 8))
    try:
        forget_verified()
        with monkeypatch.context() as patch:
            for module, function in ((pl, "read_parquet"), (np, "memmap")):
                patch.setattr(module, function, lambda *args, **kwargs: pytest.fail("parsed before it was checked"))
            with pytest.raises(IntegrityError) as caught:
                READS[name](reader)
        assert caught.value.where == str(path)
        assert caught.value.exit_code == 5
    finally:
        undo()
    forget_verified()
    READS[name](version)


@pytest.mark.usefixtures("no_parser")
def test_no_parser_runs_on_broken_json(version: Version) -> None:
    undo = flip(version.path / "statistics.json", 40)
    forget_verified()
    try:
        with pytest.raises(IntegrityError, match="bytes are not what the manifest says"):
            version.json("statistics.json")
    finally:
        undo()


@pytest.mark.parametrize("name", sorted(set(READS) - {"manifest.json", "cost.json"}))
@pytest.mark.parametrize("change", ["cut", "grown", "gone", "empty", "folder"])
def test_a_file_of_another_size_or_none_is_named(version: Version, name: str, change: str) -> None:
    path = version.path / name
    good = path.read_bytes()
    path.unlink()
    if change == "folder":
        path.mkdir()
    elif change != "gone":
        path.write_bytes({"cut": good[:-1], "grown": good + b"\0", "empty": b""}[change])
    try:
        for read in (READS[name], READS["manifest.json"]):
            with pytest.raises(IntegrityError) as caught:
                read(version)
            assert caught.value.where == str(path)
    finally:
        path.rmdir() if change == "folder" else path.unlink(missing_ok=True)
        path.write_bytes(good)


def test_what_is_not_listed_is_not_read(version: Version) -> None:
    stranger = version.path / "stranger.json"
    stranger.write_text("{}")
    try:
        for name in ("stranger.json", "../f0/data.parquet", "manifest.json", ""):
            with pytest.raises(IntegrityError, match="not listed in the manifest"):
                version.file(name)
    finally:
        stranger.unlink()


def test_a_file_is_hashed_once_per_process_and_again_when_it_is_another(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[object] = []

    def counted(file: BufferedReader) -> str:
        hashed.append(file)
        return sha256_file(file)

    monkeypatch.setattr("ops.storage.version.sha256_file", counted)
    forget_verified()
    path = version.file("tokens.bin")
    version.file("tokens.bin")
    version.array("tokens.bin", np.uint16)
    Version.open(version.path).file("tokens.bin")
    assert len(hashed) == 1
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    version.file("tokens.bin")
    assert len(hashed) == 2
    os.utime(path, ns=(0, 0))
    version.file("tokens.bin")
    assert len(hashed) == 3


def test_a_failed_check_is_not_remembered_as_a_good_one(version: Version) -> None:
    undo = flip(version.path / "tokens.bin", 0)
    forget_verified()
    for _ in range(3):
        with pytest.raises(IntegrityError):
            version.file("tokens.bin")
    undo()
    version.check()


def test_a_file_that_is_no_table_is_an_error_even_if_its_bytes_are_right(version: Version) -> None:
    with pytest.raises(IntegrityError, match=r"model\.safetensors: not a readable table"):
        version.parquet("model.safetensors")
    with pytest.raises(IntegrityError, match=r"tokens\.bin: not JSON"):
        version.json("tokens.bin")
    with pytest.raises(IntegrityError, match="unable to find column"):
        version.parquet("data.parquet", columns=["nowhere"])


def test_a_panic_of_polars_is_an_ordinary_error(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    def panic(*args: object, **kwargs: object) -> None:
        raise pl.exceptions.PanicException("memory allocation failed")

    assert not issubclass(pl.exceptions.PanicException, Exception)
    monkeypatch.setattr(pl, "read_parquet", panic)
    with pytest.raises(IntegrityError, match=r"data\.parquet: not a readable table: memory allocation failed"):
        version.parquet("data.parquet")


def test_rows_are_counted_against_the_manifest(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl, "read_parquet", lambda *args, **kwargs: pl.DataFrame({"x": [1]}))
    with pytest.raises(IntegrityError, match="1 rows, the manifest has 500"):
        version.parquet("data.parquet")


def test_an_unreadable_file_is_a_storage_error(version: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(file: object) -> str:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("ops.storage.version.sha256_file", broken)
    forget_verified()
    with pytest.raises(StorageError, match="read failed: Input/output error") as caught:
        version.file("tokens.bin")
    assert caught.value.where == str(version.path / "tokens.bin")


def test_a_version_crosses_process_borders_and_can_be_a_key(version: Version) -> None:
    again = pickle.loads(pickle.dumps(version))
    assert again == version and len({again, version}) == 1
    assert again.digest == version.digest and len(version.digest) == 32


def test_committed_files_are_read_only(version: Version) -> None:
    fresh = Store(version.path.parents[3]).slot("demo", "other").commit("f0", {}, write)[0]
    assert {path.stat().st_mode & 0o777 for path in fresh.path.iterdir()} <= {0o444, 0o440, 0o400}
