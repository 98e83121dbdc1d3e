from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path

import polars as pl
import pytest

from ops.deduplication.decontaminate import Decontaminate, TestSet
from ops.errors import BadData, ConfigError, IntegrityError, SatietyError
from tests.ops.deduplication.corpus import NOBODY, sign

DRAW = random.Random(0)


def text(words: int) -> str:
    return " ".join(f"w{DRAW.randrange(100_000)}" for _ in range(words))


def grams(words: str, n: int = 13) -> set[tuple[str, ...]]:
    found = re.findall(r"\w+", words.lower())
    return {tuple(found[i : i + n]) for i in range(max(1, len(found) - n + 1))} if found else set()


def tables(rows: list[tuple[str, str]]) -> dict[str, pl.DataFrame]:
    table = pl.DataFrame(rows, schema={"text": pl.String, "split": pl.String}, orient="row")
    table = table.with_columns(pl.format("t{}", pl.int_range(pl.len())).alias("id"))
    return {"0": table.gather_every(2), "1": table.gather_every(2, 1)}


def test_planted_passages_are_found_and_boilerplate_is_not(tmp_path: Path) -> None:
    speech = text(40)
    test = [(text(60), "test") for _ in range(20)] + [
        (f"{text(30)} {speech} {text(10)}", "valid"),
        ("short one", "test"),
    ]
    clean = [(f"{text(60)} {speech}", "train") for _ in range(15)] + [(text(50), "train") for _ in range(40)]
    planted = []
    for passage, _ in test[:10]:
        words = passage.split()
        planted.append((f"{text(20)} {' '.join(words[10:23]).upper()}. {text(20)}", "train"))
    almost = [(f"{text(20)} {' '.join(test[0][0].split()[10:22])} {text(20)}", "train"), ("Short, one!", "train")]
    rows = [*test, *clean, *planted, *almost]
    step = Decontaminate()
    found = step.decide(sign(step, tables(rows), tmp_path), NOBODY)
    wanted = {f"t{place}" for place, row in enumerate(rows) if row in planted or row[0] == "Short, one!"}
    assert set(found["id"]) == wanted, "precision and recall are 1"
    assert set(found["reason"]) == {"contaminated"}
    for row, evidence in found.select("id", "evidence").iter_rows():
        owner, count = re.fullmatch(r"t(\d+) \((\d+) n-grams\)", evidence).groups()  # type: ignore[union-attr]
        both = grams(rows[int(row[1:])][0]) & grams(rows[int(owner)][0])
        assert len(both) == int(count) and rows[int(owner)][1] != "train"
    # Without the limit the speech would have flagged fifteen more.
    loose = Decontaminate(maximum_texts=100)
    assert loose.key == step.key
    assert loose.decide(sign(step, tables(rows), tmp_path), NOBODY).height == len(wanted) + 15


def test_rows_that_are_gone_neither_show_nor_count(tmp_path: Path) -> None:
    passage = text(30)
    rows = [(passage, "test"), (passage + " more", "train")]
    step = Decontaminate()
    signed = sign(step, tables(rows), tmp_path)
    assert step.decide(signed, NOBODY)["id"].to_list() == ["t1"]
    assert step.decide(signed, pl.Series("id", ["t0"])).is_empty()
    assert step.decide(signed, pl.Series("id", ["t1"])).is_empty()


@pytest.mark.parametrize("suffix", ["txt", "csv", "tsv", "parquet", "ndjson"])
def test_test_sets_in_files(suffix: str, tmp_path: Path) -> None:
    passages = [text(20), text(20)]
    path, table = tmp_path / f"set.{suffix}", pl.DataFrame({"question": passages})
    if suffix == "txt":
        path.write_text("\n".join(passages) + "\n")
    elif suffix == "parquet":
        table.write_parquet(path)
    elif suffix == "ndjson":
        table.write_ndjson(path)
    else:
        table.write_csv(path, separator="\t" if suffix == "tsv" else ",")
    entry = {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    entry |= {} if suffix == "txt" else {"column": "question"}
    step = Decontaminate.model_validate({"splits": False, "files": [entry]}).resolve(tmp_path)
    step.check()
    rows = [(passages[1], "train"), (passages[0], "test"), (text(30), "train")]
    found = step.decide(sign(step, tables(rows), tmp_path / "store"), NOBODY)
    assert found.rows() == [("t0", "contaminated", f"{path.name}:2 (8 n-grams)")]


@pytest.mark.parametrize(
    ("entry", "error", "words"),
    [
        ({"file": "none.txt"}, ConfigError, "cannot be read"),
        ({"file": "set.doc"}, ConfigError, "ends in"),
        ({"file": "set.csv", "sha256": "0" * 64}, IntegrityError, "is not the one that the recipe means"),
        ({"file": "set.csv", "column": "answer"}, ConfigError, "no column 'answer'"),
        ({"file": "set.txt"}, BadData, "the test set cannot be read as"),
    ],
)
def test_a_wrong_file_is_named(entry: dict[str, str], error: type[SatietyError], words: str, tmp_path: Path) -> None:
    for name, content in (("set.csv", b"text\nx\n"), ("set.txt", b"\xff\xfe\n")):
        (tmp_path / name).write_bytes(content)
    path = tmp_path / entry["file"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "0" * 64
    step = Decontaminate.model_validate({"files": [{"sha256": digest, **entry}]}).resolve(tmp_path)
    with pytest.raises(error, match=words):
        step.check()


def test_nothing_to_compare_with() -> None:
    with pytest.raises(ConfigError, match="nothing to compare with"):
        Decontaminate(splits=False).check()


def test_lines_of_a_text_file_end_where_lines_end(tmp_path: Path) -> None:
    """Not at U+2028, which `splitlines` takes for an end; a byte order mark is none of the text."""
    content = "\ufeffone\u2028two\r\nthree\n\n".encode()
    (tmp_path / "set.txt").write_bytes(content)
    found = TestSet(file="set.txt", sha256=hashlib.sha256(content).hexdigest()).texts(tmp_path)
    assert found.to_list() == ["one\u2028two", "three", ""]
