from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from ops.errors import IntegrityError, StorageError
from ops.storage import Counts, FileEntry, Manifest, digest_of
from ops.storage.manifest import load_sealed, seal

FILES = (FileEntry("a.bin", 3, "1" * 64), FileEntry("data.parquet", 9, "2" * 64, rows=4, schema={"id": "String"}))
MANIFEST = Manifest(
    format=1,
    recipe="demo",
    stage="clean_corpus",
    partition="books/é",
    fingerprint="f" * 64,
    digest=digest_of((file.name, file.bytes, file.sha256) for file in FILES),
    inputs={"raw_corpus": "0" * 32},
    counts=Counts(rows_in=4, rows_out=3, dropped={"too_short": 1}),
    facts={"height": 28},
    files=FILES,
)


def write(path: Path, **changes: object) -> Path:
    """A manifest with other content, sealed as it should be."""
    content = {**load_sealed(write_plain(path)), **changes}
    path.write_bytes(seal({key: value for key, value in content.items() if value is not ...}))
    return path


def write_plain(path: Path) -> Path:
    path.write_bytes(MANIFEST.text())
    return path


def test_a_manifest_comes_back_as_it_was(tmp_path: Path) -> None:
    path = write_plain(tmp_path / "manifest.json")
    assert Manifest.load(path) == MANIFEST
    assert Manifest.load(path).text() == MANIFEST.text()
    assert pickle.loads(pickle.dumps(MANIFEST)) == MANIFEST  # it crosses process borders
    assert MANIFEST.entry("a.bin") == FILES[0]
    assert MANIFEST.entry("b.bin") is None


def test_any_json_tool_can_read_it() -> None:
    assert json.loads(MANIFEST.text())["files"][1]["schema"] == {"id": "String"}


def test_every_single_byte_is_sealed_before_json_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "manifest.json"
    monkeypatch.setattr(json, "loads", lambda text: pytest.fail("parsed before it was checked"))
    good = MANIFEST.text()
    for offset in range(len(good)):
        bad = bytearray(good)
        bad[offset] ^= 1 << offset % 8
        path.write_bytes(bad)
        with pytest.raises(IntegrityError) as caught:
            Manifest.load(path)
        assert caught.value.where == str(path)


@pytest.mark.parametrize("length", [0, 1, 20, 88, 89, 90, -1])
def test_a_cut_manifest_is_broken(tmp_path: Path, length: int) -> None:
    path = tmp_path / "manifest.json"
    path.write_bytes(MANIFEST.text()[:length])
    with pytest.raises(IntegrityError, match=r"manifest\.json: .*seal broken"):
        Manifest.load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "format 2 is unknown"),
        ({"format": ...}, "format None is unknown"),
        ({"format": "1"}, "format '1' is unknown"),
        ({"digest": "0" * 32}, "digest is not that of the files"),
        ({"stranger": 1}, "stranger"),
        ({"recipe": 5}, "recipe"),
        ({"recipe": ...}, "recipe"),
        ({"inputs": {"a": 1}}, r"inputs\.a"),
        ({"files": [{"name": "a"}]}, r"files\.0\.bytes"),
        ({"files": [{"name": "a", "bytes": -1, "sha256": "0" * 64}]}, r"files\.0\.bytes"),
        ({"files": [{"name": "a", "bytes": 1, "sha256": "xyz"}]}, r"files\.0\.sha256"),
        ({"counts": {"rows_in": "4", "rows_out": 4}}, r"counts\.rows_in"),
        ({"counts": {"rows_in": 4}}, r"counts\.rows_out"),
        ({"counts": {"rows_in": 4, "rows_out": 4, "lost": 1}}, r"counts\.lost"),
    ],
)
def test_content_that_is_no_manifest_is_named(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    path = write(tmp_path / "manifest.json", **changes)
    with pytest.raises(IntegrityError, match=message) as caught:
        Manifest.load(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("body", [b"", b"\xff", b"1]\n", b'"a":' * 100_000, b'"a": ' + b"[" * 200_000])
def test_sealed_garbage_is_no_manifest(tmp_path: Path, body: bytes) -> None:
    from ops.storage import sha256_bytes

    path = tmp_path / "manifest.json"
    path.write_bytes(b'{\n "check": "' + sha256_bytes(body).encode() + b'",\n' + body)
    with pytest.raises(IntegrityError, match="not JSON"):
        Manifest.load(path)


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"manifest\.json: file is missing"):
        Manifest.load(tmp_path / "manifest.json")


def test_facts_must_be_plain_finite_json() -> None:
    for facts in ({"loss": float("nan")}, {"path": Path("x")}):
        with pytest.raises(StorageError, match="cannot be written as JSON"):
            replace(MANIFEST, facts=facts).text()
