"""Names, patterns and digests of files."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ops.errors import BadData, ConfigError, StorageError
from ops.sources.text import Text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    base = tmp_path / "one"
    for name, text in {"a.txt": "A", "b.txt": "B", "sub/c.txt": "C", ".hidden.txt": "H", "odd[1].txt": "O"}.items():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text(text)
    return base


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("a.txt", ["a.txt"]),
        ("./sub/../a.txt", ["a.txt"]),
        ("?.txt", ["a.txt", "b.txt"]),
        ("**/*.txt", ["a.txt", "b.txt", "odd[1].txt", "sub/c.txt"]),
        (["b.txt", "a.txt", "*.txt"], ["a.txt", "b.txt", "odd[1].txt"]),
        ("odd[1].txt", ["odd[1].txt"]),
    ],
)
def test_patterns(path: Any, names: list[str], folder: Path) -> None:
    source = Text(path=path).resolve(folder)
    assert source.natural_partitions() == names
    assert source.paths() == [folder / Path(os.path.normpath(name)) for name in names] or path == "./sub/../a.txt"


def test_absolute_paths_are_named_without_the_folder(folder: Path) -> None:
    assert Text(path=str(folder / "a.txt")).natural_partitions() == ["a.txt"]
    assert Text(path=str(folder / "sub" / "*.txt")).natural_partitions() == ["c.txt"]
    assert Text(path="../a.txt").resolve(folder / "sub").natural_partitions() == ["../a.txt"]


def test_a_folder_with_signs_of_patterns_in_its_name(tmp_path: Path) -> None:
    base = tmp_path / "data [old]*"
    base.mkdir()
    (base / "a.txt").write_text("x")
    assert Text(path="*.txt").resolve(base).natural_partitions() == ["a.txt"]


def test_the_digest_is_of_names_and_content_alone(folder: Path, tmp_path: Path) -> None:
    source = Text(path="*.txt")
    one = source.resolve(folder).external()
    copy = tmp_path / "elsewhere"
    shutil.copytree(folder, copy)
    os.utime(copy / "a.txt", (0, 0))
    assert source.resolve(copy).external() == one
    assert len(one) == 64
    (copy / "a.txt").write_text("a")
    assert source.resolve(copy).external() != one
    (copy / "a.txt").write_text("A")
    (copy / "b.txt").rename(copy / "d.txt")
    assert source.resolve(copy).external() != one


def test_each_partition_has_its_own_digest(folder: Path) -> None:
    source = Text(path="*.txt").resolve(folder)
    before = source.external("a.txt")
    (folder / "b.txt").write_text("changed")
    assert source.external("a.txt") == before
    assert source.external("b.txt") != before


def test_settings_do_not_hold_the_folder(folder: Path) -> None:
    source = Text(path="a.txt")
    assert source.resolve(folder).model_dump() == source.model_dump()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("c.txt", ["no file 'c.txt'"]),
        ("aa.txt", ["did you mean 'a.txt'?"]),
        ("nowhere/a.txt", ["no folder"]),
        ("sub", ["it is a folder", "sub/*"]),
        ("*.json", ["no file matches"]),
    ],
)
def test_what_is_not_there(path: str, words: list[str], folder: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Text(path=path).resolve(folder).check()
    for word in words:
        assert word in str(caught.value)


def test_two_files_of_one_name(folder: Path) -> None:
    (folder / "sub" / "a.txt").write_text("other")
    with pytest.raises(ConfigError, match=r"two files are called 'a\.txt'"):
        Text(path=[str(folder / "a.txt"), str(folder / "sub" / "a.txt")]).check()


def test_unknown_partition(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'a\.txt'"):
        list(Text(path="*.txt").resolve(folder).read("aa.txt"))


@pytest.mark.parametrize(("number", "kind"), [(errno.EACCES, BadData), (errno.EIO, StorageError)])
@pytest.mark.parametrize("act", [lambda source: list(source.read()), lambda source: source.external()])
def test_a_file_that_the_system_does_not_give(
    number: int, kind: type[Exception], act: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Text(path="a.txt").resolve(folder)

    def refuse(self: Path, *arguments: Any) -> Any:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(kind, match=rf"a\.txt: cannot be read: {os.strerror(number)}"):
        act(source)


def test_bytes_in_a_name_that_are_no_text_are_escaped_and_no_two_files_get_one_name(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"x\xff.txt")).write_text("one")
    source = Text(path="x*.txt").resolve(tmp_path)
    assert source.natural_partitions() == ["x\\udcff.txt"]
    assert pl.concat([batch.table for batch in source.read()])["text"].to_list() == ["one"]
    (tmp_path / "x\\udcff.txt").write_text("two")
    with pytest.raises(ConfigError, match="two files are called"):
        source.natural_partitions()
