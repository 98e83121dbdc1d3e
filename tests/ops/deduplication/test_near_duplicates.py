"""Near-duplicates against a loop over all pairs in plain Python."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.deduplication.near import candidates as candidates_module
from ops.deduplication.near import decision, pairing
from ops.deduplication.near.minhash import Scheme, least_agreement, scheme_for, sketches
from ops.deduplication.near.shingling import CHUNK_BYTES, Shingles, shingle_sets
from ops.deduplication.near.stars import stars
from ops.deduplication.near_duplicates import NearDuplicates
from ops.errors import ConfigError, IntegrityError
from ops.steps import Facts
from tests.ops.deduplication.corpus import cut, decide, pair, sign


def words(text: str | None) -> list[str]:
    """Independent of the kernel: characters one by one."""
    found: list[str] = []
    inside = False
    for character in (text or "").lower():
        alone = bool(re.match("[\u4e00-\u9fff\u3040-\u30ff]", character))
        if alone or not character.isalnum():
            inside = False
        if alone:
            found.append(character)
        elif character.isalnum():
            found[-1:] = [found[-1] + character] if inside else [*found[-1:], character]
            inside = True
    return found


def shingles(text: str | None, ngram: int = 3) -> set[tuple[str, ...]]:
    found = words(text)
    if not found:
        return set()
    return {tuple(found[i : i + ngram]) for i in range(max(1, len(found) - ngram + 1))}


def similarity(a: set[tuple[str, ...]], b: set[tuple[str, ...]]) -> float:
    return len(a & b) / len(a | b) if a and b else 0.0


def variants(draw: random.Random, count: int) -> list[str | None]:
    """Texts of which many differ in a few words."""
    vocabulary = [f"w{number}" for number in range(300)]
    found: list[str | None] = [
        None,
        "",
        " - ",
        "one",
        "One.",
        "two words",
        "three words here",
        "四书五经",
        "四书五经。",
    ]
    while len(found) < count:
        text = draw.choices(vocabulary, k=draw.randint(1, 60))
        for _ in range(draw.randint(1, 5)):
            other = list(text)
            for _ in range(draw.randint(0, 4)):
                other[draw.randrange(len(other))] = draw.choice(vocabulary)
            found.append(draw.choice([" ", ", ", "\n"]).join(other))
    draw.shuffle(found)
    return found


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.95, 1.0])
def test_against_all_pairs(threshold: float, tmp_path: Path) -> None:
    texts = variants(random.Random(int(threshold * 100)), 400)
    sets = {f"t{place}": shingles(text) for place, text in enumerate(texts)}
    found = decide(NearDuplicates(threshold=threshold), cut(texts, 3), tmp_path)
    removed = set(found["id"])
    assert len(removed) == found.height > 10
    for row, kept, jaccard in found.select("id", "kept", "jaccard").iter_rows():
        assert kept not in removed, "a text goes only for one that stays"
        assert similarity(sets[row], sets[kept]) == pytest.approx(jaccard)
        assert jaccard >= threshold
        assert len(sets[kept]) >= len(sets[row]), "the longest stays"
    stay = [row for row in sets if row not in removed]
    pairs = [(a, b) for i, a in enumerate(stay) for b in stay[:i] if similarity(sets[a], sets[b]) >= threshold]
    assert len(pairs) <= 2, "what is left has no two texts alike, but for what MinHash may miss"


def test_which_texts_go_depends_on_no_partitioning(tmp_path: Path) -> None:
    texts = variants(random.Random(7), 500)
    kept = []
    for partitions in (1, 2, 7):
        found = decide(NearDuplicates(), cut(texts, partitions), tmp_path / str(partitions))
        gone = set(found["id"])
        left = [frozenset(shingles(text)) for place, text in enumerate(texts) if f"t{place}" not in gone]
        kept.append(sorted(map(sorted, left)))
    assert kept[0] == kept[1] == kept[2]


def test_partitions_without_texts_or_words(tmp_path: Path) -> None:
    parts = cut(["a b c d e", "A b c d e.", "", None, "x"], 1)
    parts |= {"1": parts["0"].clear(), "2": cut(["", " ", None], 1)["0"], "3": cut(["a b c d e", "y"], 1)["0"]}
    parts["3"] = parts["3"].with_columns(pl.format("later-{}", "id").alias("id"))
    found = decide(NearDuplicates(), parts, tmp_path)
    assert found.select("id", "kept").rows() == [("t1", "t0"), ("later-t0", "t0")]


@pytest.mark.parametrize("count", [50, 200])
def test_clusters_of_many_copies_go(count: int, tmp_path: Path) -> None:
    """Copies of one text with some words exchanged, each of which differs from every other."""
    draw = random.Random(count)
    vocabulary = [f"v{number}" for number in range(5000)]
    texts: list[str | None] = []
    for _ in range(6):
        base = draw.choices(vocabulary, k=120)
        texts.append(" ".join(base))
        for _ in range(count - 1):
            other = list(base)
            for _ in range(draw.randint(1, 4)):
                other[draw.randrange(120)] = f"n{draw.randrange(10**6)}"
            texts.append(" ".join(other))
    draw.shuffle(texts)
    sets = {f"t{place}": shingles(text) for place, text in enumerate(texts)}
    found = decide(NearDuplicates(), cut(texts, 3), tmp_path)
    kept = set(sets) - set(found["id"])
    missed = {
        row
        for row in kept
        for other in kept
        if (len(sets[other]), other) > (len(sets[row]), row) and similarity(sets[row], sets[other]) >= 0.8
    }
    assert len(missed) <= 0.003 * found.height
    assert found.height > 0.6 * len(texts)


def test_no_text_goes_along_a_chain(tmp_path: Path) -> None:
    base = [f"w{number}" for number in range(100)]
    chain = [" ".join([f"x{number}" for number in range(step * 4)] + base[step * 4 :]) for step in range(12)]
    assert similarity(shingles(chain[0]), shingles(chain[1])) > 0.8
    assert similarity(shingles(chain[0]), shingles(chain[-1])) < 0.5
    found = decide(NearDuplicates(), cut(list(chain), 1), tmp_path)
    sets = {f"t{place}": shingles(text) for place, text in enumerate(chain)}
    for row, kept in found.select("id", "kept").iter_rows():
        assert similarity(sets[row], sets[kept]) >= 0.8
    assert 0 < found.height < len(chain) - 2


def test_rows_that_are_gone_are_nobodys_reason(tmp_path: Path) -> None:
    texts: list[str | None] = ["a b c d e f g h i j k l", "a b c d e f g h i j k l m", "A b c d e f g h i j k l m!"]
    everything = decide(NearDuplicates(), cut(texts, 1), tmp_path)
    assert everything.select("id", "kept").sort("id").rows() == [("t0", "t1"), ("t2", "t1")]
    without = decide(NearDuplicates(), cut(texts, 1), tmp_path, pl.Series("id", ["t1"]))
    assert without.select("id", "kept").rows() == [("t0", "t2")]


@given(st.lists(st.text(alphabet="aB1 .-éÉß\u0301中あ\n\x00\U0001d7d8", max_size=30), max_size=20), st.integers(1, 5))
@settings(max_examples=150)
def test_shingle_sets_against_plain_python(texts: list[str], ngram: int) -> None:
    named: dict[tuple[str, ...], int] = {}
    wanted = [set(_marked(text, ngram)) for text in texts]
    found = list(shingle_sets(pl.Series(texts, dtype=pl.String), ngram))
    counts = np.concatenate([part.counts for part in found]) if found else np.zeros(0)
    values = np.concatenate([part.values for part in found]) if found else np.zeros(0, np.uint64)
    assert counts.tolist() == [len(one) for one in wanted]
    for one, numbers in zip(wanted, np.split(values, np.cumsum(counts)[:-1]) if texts else [], strict=True):
        assert (np.diff(numbers.astype(np.int64)) > 0).all()
        for gram in one:
            named.setdefault(gram, 0)
        # Equal n-grams have equal numbers, others different ones: compared over all texts below.
        for other, others in zip(wanted, np.split(values, np.cumsum(counts)[:-1]), strict=True):
            assert len(np.intersect1d(numbers, others)) == len(one & other)


def _marked(text: str, ngram: int) -> set[tuple[str, ...]]:
    """As `shingles`, with combining marks as parts of words."""
    return shingles(text.replace("\u0301", "ʹ"), ngram)


def test_the_numbers_stay_for_ever() -> None:
    (found,) = shingle_sets(pl.Series(["The quick brown fox jumps", "extraordinarily", "日本 x", ""]), 3)
    assert found.counts.tolist() == [3, 1, 1, 0]
    assert found.values.tolist() == NUMBERS
    sketch = sketches(found, Scheme(3, 1))
    assert sketch[:, 0].tolist() == LEAST


def test_words_across_all_lengths_and_chunks() -> None:
    texts = ["x" * length for length in range(1, 80)] + ["y" * CHUNK_BYTES, "end", "x" * 5]
    parts = list(shingle_sets(pl.Series(texts), 3))
    assert len(parts) > 1
    values = np.concatenate([part.values for part in parts])
    assert len(values) == len(texts) and len(set(values.tolist())) == len(texts) - 1
    assert values[4] == values[-1]


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.9])
def test_bands_propose_what_is_promised(threshold: float) -> None:
    scheme = scheme_for(threshold)
    assert len(scheme.bands) == (scheme.order**2 + scheme.order) * scheme.planes
    draw = np.random.default_rng(0)
    agree = draw.random((40_000, scheme.hashes)) < threshold
    met = np.zeros(len(agree), dtype=bool)
    for band in scheme.bands:
        met |= agree[:, band].all(axis=1)
    met &= agree.sum(axis=1) >= least_agreement(threshold, scheme.hashes)
    assert met.mean() > 0.9962


def test_two_lines_share_a_point_at_most() -> None:
    for order in (3, 4, 5):
        bands = [set(band) for band in Scheme(order, 1).bands]
        assert all(len(a & b) <= 1 for i, a in enumerate(bands) for b in bands[:i])
        assert all(len(band) == order for band in bands)


def test_sketches_estimate_the_similarity() -> None:
    draw = np.random.default_rng(1)
    common, left, right = (draw.integers(0, 1 << 54, n, dtype=np.uint64) for n in (700, 150, 150))
    sets = [np.sort(np.concatenate((common, more))) for more in (left, right)]
    sketch = sketches(Shingles(np.concatenate(sets), np.array([850, 850])), Scheme(5, 40))
    assert abs((sketch[0] == sketch[1]).mean() - 0.7) < 0.05


def test_stars_against_a_loop() -> None:
    draw = random.Random(3)
    for _ in range(200):
        size = draw.randint(1, 12)
        edges = {(b, a): draw.random() for a in range(size) for b in range(a + 1, size) if draw.random() < 0.3}
        kept: list[int] = []
        for text in range(size):
            if not any((text, other) in edges for other in kept):
                kept.append(text)
        later, earlier = (np.array([pair[side] for pair in edges], dtype=np.int64) for side in (0, 1))
        chosen = np.array(list(edges.values()))
        pieces = [(later[i::3], earlier[i::3], chosen[i::3]) for i in range(3)]
        found = stars(size, lambda pieces=pieces: pieces, draw.choice([0, 5, 1000]))  # type: ignore[misc]
        assert np.flatnonzero(found.center < 0).tolist() == kept
        for text in set(range(size)) - set(kept):
            assert found.similarity[text] == edges[text, int(found.center[text])]
            assert int(found.center[text]) in kept


def test_a_bucket_of_any_size_costs_a_bounded_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """51,160 unrelated books in one bucket: here all texts agree on one band by force."""
    monkeypatch.setattr(
        "ops.deduplication.near.signed.band_records",
        lambda sketch, rows, scheme: np.sort((np.uint64(7) << np.uint64(24)) | rows.astype(np.uint64)),
    )
    counted: list[int] = []
    agreeing = candidates_module._agreeing

    def count(one, other, sketch, least):  # type: ignore[no-untyped-def]
        counted.append(len(one))
        return agreeing(one, other, sketch, least)

    monkeypatch.setattr(candidates_module, "_agreeing", count)
    texts = [f"a{n} b{n} c{n} d{n} e{n}" for n in range(5000)]
    assert decide(NearDuplicates(), cut(list(texts), 1), tmp_path).is_empty()
    assert 4 * 5000 < sum(counted) <= 16 * 5000


def test_memory_changes_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = variants(random.Random(5), 300)
    parts = cut(texts, 2)
    found = decide(NearDuplicates(), parts, tmp_path / "a")
    less = NearDuplicates(memory_mb=64)
    assert less.key == NearDuplicates().key
    monkeypatch.setattr(pairing, "_READ_BYTES", 1 << 20)
    monkeypatch.setattr(pairing, "_RECORD_BYTES", 16 << 20)
    monkeypatch.setattr(pairing, "BUCKET", 100)
    monkeypatch.setattr(decision, "_READ", 7)
    monkeypatch.setattr(decision, "PER_EDGE", 1 << 30)
    assert decide(less, parts, tmp_path / "b").equals(found)


def test_another_threshold_signs_nothing_anew() -> None:
    assert NearDuplicates(threshold=0.85).key == NearDuplicates(threshold=0.8).key
    assert NearDuplicates(threshold=0.85).pair_settings() != NearDuplicates(threshold=0.8).pair_settings()
    assert NearDuplicates(threshold=0.65).key != NearDuplicates(threshold=0.8).key, "other bands"


def test_apply_drops_with_evidence(tmp_path: Path) -> None:
    parts = cut(["a b c d e f", "a b c d e f g", "x"], 1)
    step = NearDuplicates(threshold=0.8)
    found = decide(step, parts, tmp_path)
    outcome = step.apply(parts["0"], Facts("0", duplicates={step.key: found}))
    assert outcome.dropped.rows() == [("t0", "near_duplicates", "near_duplicate", "t1 (Jaccard 0.8)")]
    assert outcome.kept["id"].to_list() == ["t1", "t2"]
    with pytest.raises(IntegrityError, match="not known"):
        step.apply(parts["0"], Facts("0"))


def test_only_text_is_compared(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="column 'text' is Int64"):
        decide(NearDuplicates(), {"0": pl.DataFrame({"id": ["a"], "text": [1]})}, tmp_path)


NUMBERS = [7617788574724903, 7762376983665187, 16269019234651490, 4916811015341754, 17757384513618670]
LEAST = [3918339846, 1506595619, 1274664126]


def test_clusters_go_along_chains_and_know_no_partitioning(tmp_path: Path) -> None:
    base = [f"w{number}" for number in range(100)]
    chain = [" ".join([f"x{number}" for number in range(step * 4)] + base[step * 4 :]) for step in range(6)]
    texts = [*chain, "else one two three", "Else: one two three.", "alone"]
    found = []
    for partitions in (1, 4):
        step, folder = NearDuplicates(action="keep"), tmp_path / str(partitions)
        parts = cut(list(texts), partitions)
        assert decide(step, parts, folder).is_empty()
        signed = sign(step, parts, folder)
        pairs = pair(step, signed, folder)
        gone = pl.Series("id", ["t2"])
        found.append(pl.concat([some for _, some in step.clusters(signed, pairs, lambda _, g=gone: g)]).sort("id"))  # type: ignore[misc]
    assert found[0].equals(found[1])
    assert found[0]["id"].to_list() == ["t0", "t1", "t3", "t4", "t5", "t6", "t7"]
    assert found[0]["cluster"].n_unique() == 2
    assert found[0]["cluster"].head(5).n_unique() == 1
