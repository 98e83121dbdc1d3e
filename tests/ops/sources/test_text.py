"""Plain text by line, paragraph and file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.sources.text import Text
from tests.ops.sources.reading import read_bytes, whole

LINES = st.lists(st.sampled_from(["", " ", "a", "b c", "é漢", "x\u2028y", "\u0085", "c\rd", "  e  "]), max_size=20)


@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.sampled_from([2, 4096]))
def test_lines(lines: list[str], end: str, last: bool, block: int) -> None:
    text = end.join(lines) + (end if last else "")
    batch = read_bytes(Text(path="f"), text.encode(), block)
    expected = [(line, number) for number, line in enumerate(lines, 1) if line.strip()]
    assert batch.table.select("text", "line").rows() == expected
    assert batch.rejects.is_empty()


@given(LINES, st.sampled_from([2, 7, 4096]))
def test_paragraphs(lines: list[str], block: int) -> None:
    lines = [line for line in lines if line != "\u0085"]  # blank for str, not for bytes
    batch = read_bytes(Text(path="f", per="paragraph"), "\n".join(lines).encode(), block)
    expected: list[tuple[str, int]] = []
    start = 0
    for number, line in enumerate([*lines, ""], 1):
        if not line.strip():
            if start:
                expected.append(("\n".join(lines[start - 1 : number - 1]), start))
            start = 0
        elif not start:
            start = number
    assert batch.table.select("text", "line").rows() == expected


def test_bad_lines_cost_themselves_and_bad_paragraphs_themselves() -> None:
    data = b"good\n\nbad \xff\nmore\n\nnul \0\n\nlast"
    by_line = read_bytes(Text(path="f"), data)
    assert by_line.table["text"].to_list() == ["good", "more", "last"]
    assert by_line.rejects.select("line", "offset", "reason").rows() == [(3, 6, "bad_utf8"), (6, 18, "nul_byte")]
    by_paragraph = read_bytes(Text(path="f", per="paragraph"), data, 3)
    assert by_paragraph.table["text"].to_list() == ["good", "last"]
    assert by_paragraph.rejects.select("line", "offset", "reason").rows() == [(3, 6, "bad_utf8"), (6, 18, "nul_byte")]


@pytest.mark.parametrize("per", ["line", "paragraph", "file"])
def test_what_is_too_large(per: Any) -> None:
    data = b"short\n\n" + b"x" * 10_000 + b"\n\nlast"
    batch = read_bytes(Text(path="f", per=per, max_record_bytes=100), data, 64)
    assert batch.table["text"].to_list() == ([] if per == "file" else ["short", "last"])
    assert batch.rejects["reason"].to_list() == ["too_large"]


LONG_LINE = (b"x" * 120 + b"\nshort", 6)
LONG_PARAGRAPH = (b"short\r\n" + b"ab\r\n" * 90 + b"end", 96)


@pytest.mark.parametrize(
    ("large", "block"), [(LONG_LINE, 4096), (LONG_PARAGRAPH, 8), (LONG_PARAGRAPH, 64), (LONG_PARAGRAPH, 4096)]
)
def test_a_paragraph_that_is_too_large_is_one_reject(large: tuple[bytes, int], block: int) -> None:
    text, next_line = large
    data = b"first\n\n" + text + b"\n \nlast\r\nline\r\n"
    batch = read_bytes(Text(path="f", per="paragraph", max_record_bytes=100), data, block)
    assert batch.table.select("text", "line").rows() == [("first", 1), ("last\nline", next_line)]
    assert batch.rejects.select("line", "offset", "reason").rows() == [(3, 7, "too_large")]
    assert batch.rejects["excerpt"].item().startswith(text[:5])


def test_files(tmp_path: Path) -> None:
    for name, text in {"b.txt": "two\nlines\n", "a.txt": "one", "empty.txt": ""}.items():
        (tmp_path / name).write_text(text)
    source = Text(path="*.txt", per="file").resolve(tmp_path)
    assert whole(source.read()).table.rows() == [("one", "a.txt", 1), ("two\nlines\n", "b.txt", 1)]
    assert source.natural_partitions() == ["a.txt", "b.txt", "empty.txt"]


def test_declared_encoding() -> None:
    assert read_bytes(Text(path="f", encoding="gb18030"), "漢字\n一".encode("gb18030"), 3).table["text"].to_list() == [
        "漢字",
        "一",
    ]


def test_tinyshakespeare(mirror: Path) -> None:
    batch = whole(Text(path="tinyshakespeare/input.txt").resolve(mirror).read())
    lines = (mirror / "tinyshakespeare/input.txt").read_text().split("\n")
    assert batch.table["text"].to_list() == [line for line in lines if line]
