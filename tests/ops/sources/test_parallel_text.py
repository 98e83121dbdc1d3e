"""Parallel text: TSV and pairs of files against a naive reading, and pairs that are none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import BadData, ConfigError
from ops.sources import parallel_text, window
from ops.sources.parallel_text import ParallelText
from tests.ops.sources.packing import PACK
from tests.ops.sources.reading import read_file, whole

SIDE = st.text("ab 中\t", max_size=5).filter(lambda text: "\t" not in text)


@pytest.fixture
def small_blocks() -> Iterator[None]:
    """Files of some lines take several windows."""
    original = window.opened
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel_text, "opened", lambda file, encoding: original(file, encoding, 16))
        yield


@pytest.mark.usefixtures("small_blocks")
@given(pairs=st.lists(st.tuples(SIDE, SIDE), max_size=30), packed=st.booleans())
def test_two_files_and_one_tsv_against_a_naive_reading(
    pairs: list[tuple[str, str]], packed: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("pairs")
    pack = PACK["gz"] if packed else bytes
    (folder / "en").write_bytes(pack("".join(f"{a}\n" for a, _ in pairs).encode()))
    (folder / "zh").write_bytes(pack("".join(f"{b}\r\n" for _, b in pairs).encode()))
    wanted = [(a, b, i) for i, (a, b) in enumerate(pairs, 1) if a.strip() and b.strip()]
    half = [i for i, (a, b) in enumerate(pairs, 1) if bool(a.strip()) != bool(b.strip())]
    two = whole(ParallelText(path="en", target="zh").resolve(folder).read())
    tsv = read_file(ParallelText(path="f"), folder, pack("".join(f"{a}\t{b}\n" for a, b in pairs).encode()))
    for batch, name in ((two, "en"), (tsv, "f")):
        assert batch.table.select("source", "target", "line").rows() == wanted
        assert set(batch.table["file"]) <= {name}
        assert batch.rejects.select("line", "reason").rows() == [(i, "empty_side") for i in half]


@pytest.mark.usefixtures("small_blocks")
def test_broken_lines(tmp_path: Path) -> None:
    data = b"a\tb\nonly\n\xff\tb\nx\ty\tz\nl\t" + b"o" * 300 + b"ng\nc\td"
    batch = read_file(ParallelText(path="f", max_record_bytes=200), tmp_path, data)
    assert batch.table.select("source", "target", "line").rows() == [("a", "b", 1), ("c", "d", 6)]
    assert batch.rejects.select("line", "reason").rows() == [
        (2, "wrong_column_count"),
        (3, "bad_utf8"),
        (4, "wrong_column_count"),
        (5, "too_large"),
    ]
    more = read_file(ParallelText(path="f", extra_fields="drop", fields=(3, 1)), tmp_path, b"a\tb\tc\td\n")
    assert more.table.select("source", "target").rows() == [("c", "a")]


def test_a_broken_side_costs_the_pair(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1\n\xff\n3\n4\n")
    (tmp_path / "b").write_bytes(b"one\ntwo\n\0\nfour\n")
    batch = whole(ParallelText(path="a", target="b").resolve(tmp_path).read())
    assert batch.table["source"].to_list() == ["1", "4"]
    assert batch.rejects.select("file", "line", "reason").rows() == [("a", 2, "bad_utf8"), ("b", 3, "nul_byte")]


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1\n2\n3\n")
    (tmp_path / "b").write_text("1\n2\n")
    with pytest.raises(BadData, match=r"^a:3: has a line 3, which b has not"):
        list(ParallelText(path="a", target="b").resolve(tmp_path).read())
    with pytest.raises(BadData, match=r"^a:3: has a line 3, which b has not"):
        list(ParallelText(path="b", target="a").resolve(tmp_path).read())
    with pytest.raises(ConfigError, match="2 files in `path`, 1 in `target`"):
        ParallelText(path=["a", "b"], target="a").resolve(tmp_path).check()


def test_both_sides_count_for_digests(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1\n")
    (tmp_path / "b").write_text("1\n")
    source = ParallelText(path="a", target="b").resolve(tmp_path)
    before = source.external(), source.external("a")
    (tmp_path / "b").write_text("2\n")
    assert before[0] != source.external() and before[1] != source.external("a")
    assert source.natural_partitions() == ["a"]
    assert source.paths() == [tmp_path / "a", tmp_path / "b"]
    assert whole(source.read("a")).table["target"].to_list() == ["2"]


@pytest.mark.mirror
def test_tatoeba(mirror: Path) -> None:
    batch = whole(ParallelText(path=str(mirror / "tatoeba_en_zh" / "cmn.txt")).read())
    assert (batch.table.height, batch.rejects.height) == (20_133, 0)
