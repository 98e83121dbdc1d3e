"""Records of bands on disk: what is looked up is what a search through all of them finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ops.deduplication.near.minhash import Scheme
from ops.deduplication.near.runs import HASH, HASH_BITS, Filter, Part, Run, RunWriter, merge, ranges, words_for
from ops.deduplication.near.shingling import U64
from ops.storage import Output, Store

SCHEME = Scheme(4, 2)
TOP = 1 << HASH_BITS


def records(draw: np.random.Generator, texts: int, common: U64) -> U64:
    """Ten for each text; every third hash is one of `common`."""
    hashes = draw.integers(0, TOP, texts * 10, dtype=np.uint64)
    hashes[::3] = draw.choice(common, len(hashes[::3]))
    return np.sort(hashes << HASH | np.repeat(np.arange(texts, dtype=np.uint64), 10))


def write(folder: Path, pieces: list[U64], texts: int) -> Run:
    def fill(output: Output) -> None:
        known = Filter(sum(len(piece) for piece in pieces))
        with RunWriter(output, "r") as writer:
            for piece in pieces:
                writer.records(piece[:100])
                writer.records(piece[100:])
                writer.end_segment()
                known.add(piece)
            writer.filter(known.words)
            numbers = np.arange(texts, dtype=np.uint64)
            writer.texts.write(np.stack((numbers * 7, numbers + 1, numbers * 3), axis=1))
            writer.sketch.write(np.tile((numbers % 251).astype(np.uint8)[:, None], SCHEME.hashes))
        writer.finish([Part("p", texts)])

    version, _ = Store(folder).slot("r", "s").commit("0" * 32, {}, fill)
    return Run.open(version, "r", SCHEME)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Run], list[U64]]:
    draw = np.random.default_rng(0)
    common = np.sort(draw.integers(0, TOP, 300, dtype=np.uint64))
    everything = [records(draw, texts, common) for texts in (2000, 1, 900)]
    cut = [[part] if len(part) < 5000 else [np.sort(part[i::2]) for i in (0, 1)] for part in everything]
    folder = tmp_path_factory.mktemp("runs")
    return [
        write(folder / str(n), pieces, len(part) // 10)
        for n, (pieces, part) in enumerate(zip(cut, everything, strict=True))
    ], everything


def test_ranges_give_each_record_once(corpus: tuple[list[Run], list[U64]]) -> None:
    for run, wanted in zip(*corpus, strict=True):
        for memory in (1 << 30, 40_000):
            found = [run.between(low, high) for low, high in ranges(len(run.bands), 16, memory)]
            assert np.array_equal(np.concatenate(found), wanted)


def test_hashes_that_are_looked_up_bring_all_of_their_records_and_no_others(
    corpus: tuple[list[Run], list[U64]],
) -> None:
    draw = np.random.default_rng(1)
    for run, wanted in zip(*corpus, strict=True):
        strange = draw.integers(0, TOP, 5000, dtype=np.uint64)
        asked = np.unique(np.concatenate((strange, (wanted >> HASH)[::5], [np.uint64(0), np.uint64(TOP - 1)])))
        for low, high in ((0, TOP), (0, TOP // 4), (TOP // 4 * 3, TOP)):
            some = asked[(asked >= low) & (asked < high)]
            assert np.array_equal(run.meeting(some, low, high), wanted[np.isin(wanted >> HASH, some)])
        assert run.meeting(asked[:0], 0, TOP).size == 0


def test_few_strange_hashes_pass_the_filter(corpus: tuple[list[Run], list[U64]]) -> None:
    run, _ = corpus[0][0], corpus[1][0]
    strange = np.unique(np.random.default_rng(2).integers(0, TOP, 20_000, dtype=np.uint64))
    assert run._may_have(strange, 0, TOP).mean() < 0.06


@pytest.mark.parametrize("memory", [1 << 30, 100_000])
def test_several_runs_as_one(corpus: tuple[list[Run], list[U64]], tmp_path: Path, memory: int) -> None:
    runs, parts = corpus
    version, _ = Store(tmp_path).slot("r", "s").commit("0" * 32, {}, lambda output: merge(runs, output, "m", memory))
    merged = Run.open(version, "m", SCHEME)
    bases = np.cumsum([0, 2000, 1]).astype(np.uint64)
    wanted = np.sort(np.concatenate([part + base for part, base in zip(parts, bases, strict=True)]))
    assert np.array_equal(merged.between(0, TOP), wanted)
    assert merged.bases.tolist() == [0, 2000, 2001, 2901] and len(merged.segments) == 1
    assert np.array_equal(merged.texts.read(0, 2901)[:, 1], np.concatenate([np.arange(n) + 1 for n in (2000, 1, 900)]))
    asked = np.unique(wanted >> HASH)
    assert np.array_equal(merged.meeting(asked, 0, TOP), wanted)


def test_an_empty_run(tmp_path: Path) -> None:
    run = write(tmp_path, [], 0)
    assert run.between(0, TOP).size == 0
    assert run.meeting(np.arange(5, dtype=np.uint64), 0, TOP).size == 0
    assert len(run.filter) == words_for(0) == 1
