"""Record duplicates against naive loops over all pairs, with similarities written out by hand."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.deduplication.record_duplicates import RecordDuplicates
from ops.deduplication.records import blocking, strings, terms
from ops.errors import ConfigError
from ops.steps import Facts
from tests.chain import worlds

NAMES = st.lists(st.none() | st.text("abB 1é-", max_size=8), min_size=1, max_size=10)


def naive_edit(a: str, b: str) -> float:
    table = [[max(i, j) if 0 in (i, j) else 0 for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            change = table[i - 1][j - 1] + (a[i - 1] != b[j - 1])
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, change)
    return 1 - table[-1][-1] / max(len(a), len(b), 1)


def naive_jaro_winkler(a: str, b: str) -> float:
    reach = max(max(len(a), len(b)) // 2 - 1, 0)
    used: set[int] = set()
    left = []
    for i, letter in enumerate(a):
        for j in range(max(0, i - reach), min(len(b), i + reach + 1)):
            if j not in used and b[j] == letter:
                used.add(j)
                left.append(letter)
                break
    if not left:
        return 0.0
    right = [b[j] for j in sorted(used)]
    half = sum(x != y for x, y in zip(left, right, strict=True)) // 2
    m = len(left)
    jaro = (m / len(a) + m / len(b) + (m - half) / m) / 3
    alike = 0
    for x, y in zip(a[:4], b[:4], strict=False):
        if x != y:
            break
        alike += 1
    return jaro + alike * 0.1 * (1 - jaro)


def naive_grams(text: str, size: int) -> set[str]:
    padded = "\0" * (size - 1) + text + "\0" * (size - 1)
    return {padded[i : i + size] for i in range(len(padded) - size + 1)} if text else set()


def plain(text: str | None) -> str:
    kept = [c if c.isalnum() else " " for c in (text or "").lower()]
    return " ".join("".join(kept).split())


def every_pair(count: int) -> tuple[np.ndarray, np.ndarray]:
    one, other = np.triu_indices(count, 1)
    return one.astype(np.int64), other.astype(np.int64)


@given(NAMES)
def test_strings_against_loops(names: list[str | None]) -> None:
    values = pl.Series(names, dtype=pl.String)
    one, other = every_pair(len(names))
    edits, winklers = strings.edit(values, one, other), strings.jaro_winkler(values, one, other)
    for place, (i, j) in enumerate(zip(one, other, strict=True)):
        a, b = names[i] or "", names[j] or ""
        assert math.isclose(edits[place], naive_edit(a, b), abs_tol=1e-12)
        assert math.isclose(winklers[place], naive_jaro_winkler(a, b), abs_tol=1e-12)


def test_winklers_own_examples() -> None:
    values = pl.Series(["MARTHA", "MARHTA", "DWAYNE", "DUANE", "DIXON", "DICKSONX"])
    found = strings.jaro_winkler(values, np.array([0, 2, 4]), np.array([1, 3, 5]))
    assert np.allclose(found, [0.9611, 0.84, 0.8133], atol=5e-5)


@given(NAMES, st.integers(2, 4))
def test_terms_against_sets(names: list[str | None], size: int) -> None:
    values = terms.read(pl.Series(names, dtype=pl.String), "text")
    assert [value or "" for value in values] == [plain(name) for name in names]
    one, other = every_pair(len(names))
    grams = terms.jaccard(terms.grams(values, size), one, other)
    words = terms.words(values)
    jaccard, overlap, cosine = (how(words, one, other) for how in (terms.jaccard, terms.overlap, terms.cosine))
    sets = [set(plain(name).split()) for name in names]
    seen = Counter(word for found in sets for word in found)
    weight = {word: math.log1p(len(names) / count) for word, count in seen.items()}

    def square(found: set[str]) -> float:
        return sum(weight[word] ** 2 for word in found)

    for place, (i, j) in enumerate(zip(one, other, strict=True)):
        a, b = (naive_grams(plain(names[k]), size) for k in (i, j))
        assert math.isclose(grams[place], len(a & b) / max(1, len(a | b)), abs_tol=1e-12)
        a, b = sets[i], sets[j]
        assert math.isclose(jaccard[place], len(a & b) / max(1, len(a | b)), abs_tol=1e-12)
        least, both = min(square(a), square(b)), square(a & b)
        assert math.isclose(overlap[place], both / least if least else 0.0, abs_tol=1e-9)
        assert math.isclose(cosine[place], both / math.sqrt(square(a) * square(b)) if least else 0.0, abs_tol=1e-9)


@given(NAMES, st.integers(2, 4))
def test_blocking_against_loops(names: list[str | None], number: int) -> None:
    keys = pl.DataFrame({"row": range(len(names)), "key": pl.Series(names, dtype=pl.String)}).drop_nulls()
    seen = Counter(name for name in names if name is not None)
    same = [
        [i, j]
        for i in range(len(names))
        for j in range(i + 1, len(names))
        if (name := names[i]) is not None and name == names[j] and seen[name] <= number
    ]
    assert blocking.united([blocking.by_key(keys, number, "it")]).tolist() == same
    order = sorted((name, row) for row, name in enumerate(names) if name is not None)
    near = {
        (min(order[i][1], order[j][1]), max(order[i][1], order[j][1]))
        for i in range(len(order))
        for j in range(i + 1, min(i + number, len(order)))
    }
    ordered = blocking.by_order(pl.Series(names, dtype=pl.String), number)
    assert set(map(tuple, blocking.united([ordered]).tolist())) == near


ROWS = st.lists(
    st.tuples(
        st.none() | st.text("ab ", max_size=5),
        st.none() | st.sampled_from(["1", "2-2", "22"]),
        st.none() | st.sampled_from([0.0, 1.0, 2.0, -1.0]),
    ),
    min_size=1,
    max_size=9,
)
COMPARE: list[dict[str, Any]] = [
    {"column": "name", "measure": "edit", "weight": 2.0, "least": 0.2},
    {"column": "phone", "measure": "exact", "read": "digits", "missing": "differ"},
    {"column": "price", "measure": "numeric"},
]


@given(ROWS, st.sampled_from([0.3, 0.5, 0.8, 1.0]))
def test_the_decision_against_a_loop_over_all_pairs(rows: list[tuple[Any, ...]], threshold: float) -> None:
    schema = {"name": pl.String, "phone": pl.String, "price": pl.Float64}
    table = pl.DataFrame(rows, schema=schema, orient="row").with_row_index("id").with_columns(pl.col("id").cast(str))
    # Neighbours in an order of ten rows or fewer are all pairs of rows that have the value.
    blocks = [{"column": name, "by": "order", "window": 20, "read": "raw"} for name in ("name", "phone")]
    step = RecordDuplicates.model_validate({"compare": COMPARE, "block": blocks, "threshold": threshold})

    def alike(i: int, j: int) -> bool:
        parts: list[tuple[float, float]] = []
        a, b = plain(rows[i][0]), plain(rows[j][0])
        if a and b:
            parts.append((naive_edit(a, b), 2.0))
            if parts[0][0] < 0.2 - 1e-9:
                return False
        a, b = (rows[k][1].replace("-", "") if rows[k][1] else "" for k in (i, j))
        parts.append((float(bool(a) and a == b), 1.0))
        x, y = rows[i][2], rows[j][2]
        if x is not None and y is not None:
            most = max(abs(x), abs(y))
            parts.append((max(0.0, 1 - abs(x - y) / most) if most else 1.0, 1.0))
        score = sum(value * weight for value, weight in parts) / sum(weight for _, weight in parts)
        looked_at = any(rows[i][c] not in (None, "") and rows[j][c] not in (None, "") for c in (0, 1))
        return looked_at and round(score, 9) >= threshold

    def rank(i: int) -> tuple[int, int, int]:
        text = sum(len(str(value)) for value in rows[i] if value is not None)
        return -sum(value not in (None, "") for value in rows[i]), -text, i

    expected: dict[str, str] = {}
    for row in sorted(range(len(rows)), key=rank):
        if str(row) in expected:
            continue
        for other in range(len(rows)):
            if other != row and str(other) not in expected and alike(*sorted((row, other))) and rank(other) > rank(row):
                expected[str(other)] = str(row)
    parts = [table.head(3), table.slice(3)]
    decided = step.fold(pl.concat([step.signatures(part) for part in parts]))
    assert {row: evidence.split(" ")[0] for row, _, evidence in decided.iter_rows()} == expected
    kept = step.apply(table, Facts("0", duplicates={step.key: decided}))
    assert kept.kept.height == table.height - len(expected)


def test_the_fullest_row_stays_and_nothing_goes_by_transitivity() -> None:
    table = pl.DataFrame(
        {
            "id": ["a", "b", "c"],
            "name": ["blue moon cafe", "blue moon cafe bar grill", "moon bar grill inn"],
            "city": [None, "Rome", None],
        }
    )
    step = RecordDuplicates.model_validate(
        {"compare": [{"column": "name", "measure": "words"}], "block": [{"column": "name"}], "threshold": 0.5}
    )
    decided = step.fold(step.signatures(table))
    assert decided.rows() == [
        ("a", "same_record", "b score=0.6 name=0.6"),
        ("c", "same_record", "b score=0.5 name=0.5"),
    ]
    lonely = table.with_columns(city=pl.Series(["Rome", None, None]))
    # `a` now stays for itself and takes `b`; `c` matched only `b`, so it stays.
    assert step.fold(step.signatures(lonely))["id"].to_list() == ["b"]


def test_missing_values_and_signatures() -> None:
    table = pl.DataFrame(
        {"id": ["1", "2", "3"], "n": ["ann", "ann", "ann"], "p": ["5", None, "6"], "x": [1.5, 2, None]}
    )
    compare: list[dict[str, Any]] = [{"column": "n", "measure": "exact"}, {"column": "p", "measure": "exact"}]
    base: dict[str, Any] = {"block": [{"column": "n", "by": "prefix"}], "threshold": 0.9}
    ignoring = RecordDuplicates.model_validate({"compare": compare, **base})
    assert ignoring.signatures(table).columns == ["id", "__filled", "n", "p"]
    assert ignoring.fold(ignoring.signatures(table)).rows() == [("2", "same_record", "1 score=1.0 n=1.0 p=missing")]
    compare[1]["missing"] = "differ"
    strict = RecordDuplicates.model_validate({"compare": compare, **base})
    assert strict.fold(strict.signatures(table)).is_empty()
    assert strict.key != ignoring.key and strict.key == strict.model_copy(update={"threshold": 0.1}).key


def test_what_cannot_be_compared_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pl.DataFrame({"id": ["1", "2"], "n": ["ann", "ann"], "l": [[1], [2]]})
    block = [{"column": "n"}]
    for column, measure in (("l", "exact"), ("n", "numeric"), ("no", "exact")):
        compare = [{"column": column, "measure": measure}]
        step = RecordDuplicates.model_validate({"compare": compare, "block": block})
        with pytest.raises(ConfigError, match=f"column '{column}'"):
            step.signatures(table)
    monkeypatch.setattr(blocking, "MOST_PAIRS", 0)
    step = RecordDuplicates.model_validate({"compare": [{"column": "n"}], "block": block})
    with pytest.raises(ConfigError, match="blocking by word of n makes 1 pairs"):
        step.pairs(step.signatures(table))


def test_empty_table() -> None:
    table = pl.DataFrame(schema={"id": pl.String, "n": pl.String})
    for measure in ("exact", "words", "word_cosine", "word_overlap", "grams", "edit", "jaro_winkler"):
        compare = [{"column": "n", "measure": measure}]
        blocks = [{"column": "n", "by": by} for by in ("value", "word", "prefix", "order")]
        step = RecordDuplicates.model_validate({"compare": compare, "block": blocks})
        assert step.fold(step.signatures(table)).schema == {"id": pl.String, "reason": pl.String, "evidence": pl.String}


def test_in_the_graph(tmp_path: Path) -> None:
    compare = [{"column": "text", "measure": "words"}, {"column": "label", "measure": "exact"}]
    block = [{"column": "text", "largest": 100}]
    step = {"kind": "record_duplicates", "compare": compare, "block": block, "threshold": 1.0}
    world = worlds.make(tmp_path, cleaning=[step])
    worlds.build(world.recipe(), world.store, ("raw_corpus", "signatures", "duplicates", "clean_corpus"))
    before = pl.concat([v.parquet("data.parquet") for v in world.every("raw_corpus").values()])
    after = pl.concat([v.parquet("data.parquet") for v in world.every("clean_corpus").values()])
    said = [(frozenset(plain(text).split()), label) for text, label in before.select("text", "label").iter_rows()]
    assert after.height == len(set(said)) < before.height


@pytest.mark.mirror
@pytest.mark.slow
def test_restaurant(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.records import records

    monkeypatch.setenv("SATIETY_MIRROR", str(mirror))
    assert all(figure.value >= 0.95 for figure in records(1)[:2])
