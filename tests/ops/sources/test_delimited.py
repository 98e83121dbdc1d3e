"""The grammar of delimited text against Python's csv module, a second implementation of it, and arbitrary bytes."""

from __future__ import annotations

import csv
import io
import tracemalloc
from io import BytesIO
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.sources import delimited_source
from ops.sources.csv import Csv
from ops.sources.delimited import frame
from ops.sources.tsv import Tsv
from ops.sources.window import Window
from tests.ops.sources.grammar import reference
from tests.ops.sources.reading import read_bytes, whole

TEXT = st.text(
    alphabet=st.one_of(
        st.sampled_from(',"\n\r\t;a é漢😀 '), st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    ),
    max_size=8,
)


def source(width: int, **settings: Any) -> Csv:
    names = [f"c{i}" for i in range(width)]
    return Csv(path="f", columns=dict.fromkeys(names, "string"), null_values=[], header=False, **settings)


@given(st.data())
def test_what_pythons_csv_writes_comes_back_exactly(data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 4))
    rows = data.draw(st.lists(st.tuples(*[TEXT] * width), max_size=12))
    separator = data.draw(st.sampled_from(",;\t|"))
    ends = data.draw(st.sampled_from(["\n", "\r\n"]))
    quoting: Any = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    if ends == "\n" and quoting == csv.QUOTE_MINIMAL:
        # Python 3.11 leaves a lone CR unquoted then, which its own reader would not take back.
        rows = [tuple(cell.replace("\r", "") for cell in row) for row in rows]
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator, lineterminator=ends, quoting=quoting).writerows(rows)
    text = stream.getvalue()
    batch = read_bytes(source(width, separator=separator), text.encode(), data.draw(st.sampled_from([7, 64, 4096])))
    assert batch.rejects.is_empty()
    assert batch.table.drop("file", "line").rows() == rows


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=12), st.integers(0, 100))
def test_lines_are_the_physical_lines_where_records_begin(rows: list[tuple[str, str]], seed: int) -> None:
    del seed
    stream = io.StringIO()
    writer = csv.writer(stream)
    expected = []
    for row in rows:
        before = stream.getvalue().replace("\r\n", "\n").replace("\r", "\n")
        expected.append(before.count("\n") + 1)
        writer.writerow(row)
    batch = read_bytes(source(2), stream.getvalue().encode(), 16)
    assert batch.table["line"].to_list() == expected


PIECES = st.sampled_from(
    [b'"', b'""', b",", b"\n", b"\r\n", b"\r", b"a", b"bc", b"\xc3\xa9", b"\xff", b"\0", b',"', b'"\n', b" "]
)


@settings(max_examples=250)
@given(st.lists(PIECES, max_size=40), st.integers(1, 3), st.sampled_from(['"', None]), st.sampled_from([3, 16, 1000]))
def test_any_bytes_are_read_as_the_grammar_says(pieces: list[bytes], width: int, quote: str | None, block: int) -> None:
    data = b"".join(pieces)
    if data.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return
    batch = read_bytes(source(width, quote=quote), data, block)
    got: list[tuple[Any, ...]] = [("row", row[-1], *row[:-2]) for row in batch.table.rows()]
    got += [("reject", *row) for row in batch.rejects.select("line", "offset", "reason").rows()]
    wanted = reference(data, width, ord(quote) if quote else None)
    assert sorted(got, key=repr) == sorted(wanted, key=repr)


@settings(max_examples=150)
@given(st.lists(PIECES, max_size=60), st.integers(1, 3), st.integers(1, 30), st.integers(1, 50))
def test_blocks_and_the_careful_path_make_no_difference(
    pieces: list[bytes], width: int, limit: int, careful: int
) -> None:
    data = b"x" + b"".join(pieces)
    tight = source(width, max_record_bytes=limit)
    one = read_bytes(tight, data, 1 << 16)
    patch = pytest.MonkeyPatch()
    with patch.context() as at:
        at.setattr(delimited_source, "CAREFUL_BYTES", careful)
        two = read_bytes(tight, data, 5)
        at.setattr(delimited_source, "frame", _no_frames)
        three = read_bytes(tight, data, 64)
    found: list[tuple[Any, ...]] = [("row", row[-1], *row[:-2]) for row in one.table.rows()]
    found += [("reject", *row) for row in one.rejects.select("line", "offset", "reason").rows()]
    assert sorted(found, key=repr) == sorted(reference(data, width, ord('"'), limit), key=repr)
    for other in (two, three):
        assert one.table.equals(other.table)
        assert one.rejects.drop("detail", "excerpt").equals(other.rejects.drop("detail", "excerpt"))


def _no_frames(*arguments: Any) -> Any:
    frames = _FRAME(*arguments)
    return frames._replace(size=0, broken=True)


_FRAME = frame


def test_a_forgotten_quote_costs_one_line() -> None:
    lines = [f"{i},text {i}" for i in range(1000)]
    lines[500] = '500,"never closed'
    batch = read_bytes(source(2), "\n".join(lines).encode())
    assert batch.table.height == 999
    ((line, offset, reason, excerpt),) = batch.rejects.select("line", "offset", "reason", "excerpt").rows()
    assert (line, reason, excerpt) == (501, "unclosed_quote", b'500,"never closed')
    assert offset == len("\n".join(lines[:500])) + 1


def test_a_line_larger_than_the_window_is_skipped_without_being_held() -> None:
    data = b"a,b\n" + b"x" * 100_000 + b"\nc,d\n" + b'"' + b"y" * 100_000 + b'",z\ne,f'
    batch = read_bytes(source(2, max_record_bytes=1000), data, block=512)
    assert batch.table.drop("file", "line").rows() == [("a", "b"), ("c", "d"), ("e", "f")]
    assert batch.table["line"].to_list() == [1, 3, 5]
    assert batch.rejects["reason"].to_list() == ["too_large", "too_large"]
    assert batch.rejects["offset"].to_list() == [4, 4 + 100_001 + 4]


class Pipe(BytesIO):
    """What can be read only once, as the content of a compressed file."""

    def seekable(self) -> bool:
        return False

    def seek(self, *arguments: Any) -> int:
        raise OSError("it cannot seek")


@pytest.mark.parametrize("stream", [BytesIO, Pipe])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_quoted_cell_beyond_the_limit_is_one_reject_and_its_lines_are_no_records(
    stream: type[BytesIO], encoding: Any
) -> None:
    cell = '"' + 'inside,"",x\r\n' * 100_000 + '"'
    text = f'a,b\r\n1,{cell}\r\n2,"{cell[1:-1]}"" and more",\n3,c\n4,"never closed\n' + "5,d\n" * 300_000
    tight = source(2, max_record_bytes=1000, encoding=encoding)
    window = Window(stream(text.encode(encoding)), "f", encoding, 4096)
    batch = whole(tight.read_window(window, "f"))
    assert batch.table.drop("file", "line").unique(maintain_order=True).rows() == [("a", "b"), ("3", "c"), ("5", "d")]
    assert batch.table.height == 300_002
    first = 3 + 2 * 100_000
    assert batch.rejects.select("line", "reason").rows() == [
        (2, "too_large"),
        (2 + 100_001, "too_large"),
        (first + 2, "unclosed_quote"),
    ]
    assert batch.rejects["detail"][0] == f"{2 + len(cell)} bytes, 1000 are allowed"
    assert batch.rejects["excerpt"][2].strip() == b'4,"never closed'
    mark = 2 if encoding == "utf-16" else 0
    scale = 2 if encoding == "utf-16" else 1
    places = [text.index("1,"), text.index("\n2,") + 1, text.index("4,")]
    assert batch.rejects["offset"].to_list() == [mark + scale * place for place in places]


def test_what_is_passed_over_is_not_held() -> None:
    class Endless:
        """A quoted cell of 400 MB, and a record behind it."""

        def __init__(self) -> None:
            self.left = 400

        def seekable(self) -> bool:
            return False

        def read(self, size: int) -> bytes:
            self.left -= 1
            return b"x,y\n" * (size // 4) if self.left > 0 else b'"\n1,z' if self.left == 0 else b""

    stream: Any = Endless()
    tracemalloc.start()
    try:
        tight = source(2, max_record_bytes=1 << 20)
        window = Window(stream, "f", "utf-8", 1 << 20)
        window.data = b'0,"' + window.data
        batch = whole(tight.read_window(window, "f"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert batch.table.drop("file").rows() == [("1", "z", 399 * (1 << 18) + 2)]
    assert batch.rejects["reason"].to_list() == ["too_large"]
    assert peak < 40 << 20


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_a_csv_writer_writes_takes_the_fast_path(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def careful(*arguments: Any) -> None:
        raise AssertionError("read record by record")

    monkeypatch.setattr(Csv, "_careful", careful)
    rows = [(f'say "{i}"', "two\nlines", "", ",") for i in range(100)]
    stream = io.StringIO()
    csv.writer(stream, lineterminator=end).writerows(rows)
    batch = read_bytes(source(4), stream.getvalue().encode(), 512)
    assert batch.table.drop("file", "line").rows() == rows


def test_old_mac_line_ends() -> None:
    batch = read_bytes(source(2), b"a,b\rc,d\re,f", block=4)
    assert batch.table.drop("file", "line").rows() == [("a", "b"), ("c", "d"), ("e", "f")]
    assert batch.table["line"].to_list() == [1, 2, 3]


def test_tsv_takes_quotes_as_they_are() -> None:
    tsv = Tsv(path="f", columns={"a": "string", "b": "string"}, header=False)
    batch = read_bytes(tsv, b'"Hi," he said\t5" pipe\n"x\ty"\n')
    assert batch.table.drop("file", "line").rows() == [('"Hi," he said', '5" pipe'), ('"x', 'y"')]


def test_a_record_that_the_fast_parser_refuses_goes_through_the_grammar(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **settings: Any) -> pl.DataFrame:
        raise pl.exceptions.PanicException("planted")

    monkeypatch.setattr(pl, "read_csv", refuse)
    batch = read_bytes(source(2), b'a,"b\n1"\nc\nd,e\n')
    assert batch.table.drop("file", "line").rows() == [("a", "b\n1"), ("d", "e")]
    assert batch.rejects["reason"].to_list() == ["wrong_column_count"]
