"""SQuAD files: one row for each question, and what is broken in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ops.errors import BadData
from ops.sources.squad import ANSWER, Squad
from tests.ops.sources.packing import zipped
from tests.ops.sources.reading import read_file, whole


def question(id_: str = "q", **changes: Any) -> dict[str, Any]:
    return {"id": id_, "question": "Who?", "answers": [{"text": "𝒜da", "answer_start": 3}], **changes}


def document(*questions: Any, context: Any = "It 𝒜da") -> bytes:
    return json.dumps({"data": [{"title": "T", "paragraphs": [{"context": context, "qas": list(questions)}]}]}).encode()


def test_rows_and_offsets_in_code_points(tmp_path: Path) -> None:
    data = document(question("a"), question("b", is_impossible=True, answers=[], plausible_answers=[{}]))
    batch = read_file(Squad(path="f"), tmp_path, data)
    assert batch.rejects.is_empty()
    assert batch.table.schema["answers"].inner == ANSWER  # type: ignore[attr-defined]
    first, second = batch.table.to_dicts()
    assert first == {
        "question": "Who?",
        "context": "It 𝒜da",
        "answers": [{"text": "𝒜da", "start": 3}],
        "question_id": "a",
        "title": "T",
        "file": "f",
        "line": 1,
    }
    answer = first["answers"][0]
    assert first["context"][answer["start"] :].startswith(answer["text"])
    assert (second["answers"], second["line"]) == ([], 2)


def test_broken_questions_are_rejects(tmp_path: Path) -> None:
    cases = [
        (question("b", question=None), "bad_question"),
        ({"id": "c", "question": "?"}, "bad_question"),
        (question("a"), "duplicate_id"),
        ("text", "bad_question"),
        (question("d", answers=[{"text": "x"}]), "bad_answer"),
        (question("e", answers=[{"text": "x", "answer_start": True}]), "bad_answer"),
        (question("f", answers=[{"text": "x", "answer_start": -1}]), "bad_answer"),
        (question("g", question="\ud800"), "lone_surrogate"),
    ]
    batch = read_file(Squad(path="f"), tmp_path, document(question("a"), *(case for case, _ in cases)))
    assert batch.table["question_id"].to_list() == ["a"]
    assert batch.rejects["reason"].to_list() == [reason for _, reason in cases]
    assert batch.rejects["line"].to_list() == list(range(2, 2 + len(cases)))
    assert read_file(Squad(path="f"), tmp_path, document(question(), context=3)).rejects["reason"][0] == "bad_paragraph"
    assert read_file(Squad(path="f"), tmp_path, b'{"data": [{}]}').rejects["reason"][0] == "bad_article"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (document(question())[:-5], "line 1 column"),
        (b"\xef\xbb\xbf[]", "no list `data`"),
        (b'{"data": [], "data": []}', "key 'data' is there twice"),
        (b'{"data": NaN}', "NaN is not JSON"),
        (b'{"data": "\xff"}', "not UTF-8 at byte 10"),
        (b'{"data":' + b"[" * 100_000, "nested too deep"),
    ],
)
def test_files_that_are_none(data: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=rf"^f: .*{words}"):
        read_file(Squad(path="f"), tmp_path, data)
    with pytest.raises(BadData, match="more than 10 bytes"):
        read_file(Squad(path="f", max_file_bytes=10), tmp_path, data + b" " * 20)


def test_in_archives(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"dev.json": document(question()), "test.json": document(question())}))
    batch = whole(Squad(path="a.zip").resolve(tmp_path).read())
    assert batch.table.select("file", "line").rows() == [("a.zip/dev.json", 1), ("a.zip/test.json", 1)]


@pytest.mark.mirror
def test_drcd(mirror: Path) -> None:
    batch = whole(Squad(path=str(mirror / "drcd" / "DRCD_*.json")).read())
    assert (batch.table.height, batch.rejects.height) == (3524 + 3493, 0)
    for context, answers in batch.table.select("context", "answers").iter_rows():
        assert all(context[answer["start"] :].startswith(answer["text"]) for answer in answers)
