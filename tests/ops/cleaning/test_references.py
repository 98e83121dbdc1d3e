import hashlib
from pathlib import Path

import polars as pl
import pytest

from ops.cleaning.references import References
from ops.errors import BadData, ConfigError, IntegrityError
from ops.steps import Facts
from tests.chain import worlds

TABLE = pl.DataFrame({"id": list("abcd"), "city": ["Rom", "Oslo", None, "Atlantis"], "code": [1, 2, 3, 44]})


def step(folder: Path, name: str, content: bytes, **settings: str) -> References:
    (folder / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    return References.model_validate({"column": "city", "file": name, "sha256": digest, **settings}).resolve(folder)


@pytest.mark.parametrize(
    ("name", "content", "settings"),
    [
        ("c.csv", b"city,n\nRom,1\nOslo,2\n", {}),
        ("c.tsv", b"n\tname\n1\tRom\n2\tOslo\n", {"key": "name"}),
        ("c.txt", b"Rom\r\nOslo\n", {}),
    ],
)
def test_values_that_do_not_occur(tmp_path: Path, name: str, content: bytes, settings: dict[str, str]) -> None:
    outcome = step(tmp_path, name, content, **settings).apply(TABLE, Facts("p"))
    assert outcome.kept["id"].to_list() == ["a", "b", "c"]
    assert outcome.dropped.rows() == [("d", "references", "city", "Atlantis")]


def test_marks_and_separators_of_unicode(tmp_path: Path) -> None:
    table = pl.DataFrame({"id": list("abc"), "city": ["Rom", "Os\u2028lo", "lo"]})
    for name, content in (("c.txt", "\ufeffRom\r\nOs\u2028lo\n"), ("c.csv", "\ufeffcity\r\nRom\r\nOs\u2028lo\n")):
        outcome = step(tmp_path, name, content.encode()).apply(table, Facts("p"))
        assert outcome.kept["id"].to_list() == ["a", "b"], name


def test_floats_are_compared_as_numbers(tmp_path: Path) -> None:
    table = pl.DataFrame({"id": list("abc"), "city": [1.0, 2.5, None]})
    for dtype in (pl.Float64, pl.Float32):
        for content in (b"1\n2.50\n", b"1.0\n2.5\nx\n"):
            outcome = step(tmp_path, "c.txt", content).apply(table.with_columns(pl.col("city").cast(dtype)), Facts("p"))
            assert outcome.kept.height == 3
    assert step(tmp_path, "c.txt", b"1\n").apply(table, Facts("p")).dropped["evidence"].to_list() == ["2.5"]
    pl.DataFrame({"key": [1.0, 2.0]}).write_parquet(tmp_path / "k.parquet")
    found = step(tmp_path, "k.parquet", (tmp_path / "k.parquet").read_bytes(), column="code", key="key")
    assert found.apply(TABLE, Facts("p")).kept["id"].to_list() == ["a", "b"]


def test_numbers_in_parquet(tmp_path: Path) -> None:
    pl.DataFrame({"key": [1, 2, 3]}).write_parquet(tmp_path / "k.parquet")
    content = (tmp_path / "k.parquet").read_bytes()
    outcome = step(tmp_path, "k.parquet", content, column="code", key="key").apply(TABLE, Facts("p"))
    assert outcome.dropped["evidence"].to_list() == ["44"]


def test_files_that_are_not_there_or_not_the_one(tmp_path: Path) -> None:
    there = step(tmp_path, "c.txt", b"Rom\n")
    (tmp_path / "c.txt").write_bytes(b"Paris\n")
    digest = hashlib.sha256(b"Paris\n").hexdigest()
    with pytest.raises(IntegrityError, match=f"not the one that the recipe means.*{digest}"):
        there.apply(TABLE, Facts("p"))
    (tmp_path / "c.txt").unlink()
    with pytest.raises(ConfigError, match=r"c\.txt: the file of references cannot be read: No such file"):
        there.check()
    with pytest.raises(ConfigError, match="the file of references ends in"):
        step(tmp_path, "c.xls", b"").check()
    with pytest.raises(ConfigError, match="no column 'city'"):
        step(tmp_path, "c.csv", b"town\nRom\n").apply(TABLE, Facts("p"))
    with pytest.raises(BadData, match=r"cannot be read as \.txt"):
        step(tmp_path, "c.txt", b"\xff\n").apply(TABLE, Facts("p"))


def test_a_recipe_finds_the_file_beside_it(tmp_path: Path) -> None:
    world = worlds.make(tmp_path)
    (tmp_path / "labels.txt").write_text("sea\nsky\n")
    digest = hashlib.sha256(b"sea\nsky\n").hexdigest()
    cleaning = "cleaning=[{kind: references, column: label, file: labels.txt, sha256: '%s'}]"
    recipe = world.recipe(cleaning % digest)
    built = worlds.build(recipe, world.store, ("raw_corpus", "clean_corpus"))
    kept = [b.version.parquet("data.parquet")["label"] for (stage, _), b in built.items() if stage == "clean_corpus"]
    assert set(pl.concat(kept)) == {"sea", "sky"}
    with pytest.raises(Exception, match="not the one that the recipe means"):
        world.recipe(cleaning % ("0" * 64))
