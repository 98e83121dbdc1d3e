"""Files named with their SHA-256: one column in whatever form, and what is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl
import pytest

from ops.errors import BadData, ConfigError, IntegrityError
from ops.named_file import column_of, named_bytes

TABLE = pl.DataFrame({"a": ["1", "x,y", None], "b": ["p", "q", "r"]})


def test_every_form_gives_the_same_column(tmp_path: Path) -> None:
    TABLE.write_csv(tmp_path / "t.csv")
    TABLE.write_csv(tmp_path / "t.tsv", separator="\t")
    TABLE.write_parquet(tmp_path / "t.parquet")
    for name in ("t.ndjson", "t.jsonl"):
        TABLE.write_ndjson(tmp_path / name)
    for path in sorted(tmp_path.iterdir()):
        assert column_of(path.read_bytes(), path, "a", "the file").to_list() == ["1", "x,y", None], path.name
        with pytest.raises(ConfigError, match=rf"the file {path.name}: the table has no column 'c'"):
            column_of(path.read_bytes(), path, "c", "the file")


@pytest.mark.parametrize(
    ("name", "content"), [("t.txt", b"\xff"), ("t.parquet", b"PAR1"), ("t.ndjson", b'{"a": '), ("t.csv", b'a\n"x')]
)
def test_damage_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(BadData, match=rf"{name}: the file cannot be read as"):
        column_of(content, tmp_path / name, "a", "the file")


def test_the_content_must_be_the_one_that_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(b"one\n")
    digest = hashlib.sha256(b"one\n").hexdigest()
    assert named_bytes(path, digest, (".txt",), "the file") == b"one\n"
    with pytest.raises(IntegrityError, match=rf"the file is not the one.*sha256: {digest}"):
        named_bytes(path, "0" * 64, (".txt",), "the file")
    with pytest.raises(ConfigError, match=r"the file ends in \.csv, \.tsv"):
        named_bytes(path, digest, (".csv", ".tsv"), "the file")
    with pytest.raises(ConfigError, match="the file cannot be read: No such file"):
        named_bytes(tmp_path / "u.txt", digest, (".txt",), "the file")
