from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from resources.tail import Tail, last_lines


def write(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_only_what_is_new_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write(path, '{"step": 0}\n')
    tail = Tail(path)
    assert tail.poll() == []
    write(path, '{"step": 1}\n{"st')
    assert tail.poll() == [{"step": 1}]
    assert tail.poll() == []
    write(path, 'ep": 2}\n')
    assert tail.poll() == [{"step": 2}]


def test_file_that_comes_later(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "metrics.jsonl")
    assert tail.poll() == []
    write(tmp_path / "metrics.jsonl", '{"step": 1}\n')
    assert tail.poll() == [{"step": 1}]


def test_lines_taken_back_are_not_handed_out_twice(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    tail = Tail(path)
    write(path, "".join(f'{{"step": {n}, "time_ms": {n}}}\n' for n in range(5)))
    assert len(tail.poll()) == 5
    # A resumed writer keeps three lines and says steps 3 and 4 again, later: the file is not shorter than before.
    kept = path.read_text().splitlines(keepends=True)[:3]
    path.write_text("".join(kept) + '{"step": 3, "time_ms": 13}\n{"step": 4, "time_ms": 14}\n')
    assert [record["time_ms"] for record in tail.poll()] == [13, 14]


def test_file_that_is_replaced(tmp_path: Path) -> None:
    path, other = tmp_path / "metrics.jsonl", tmp_path / "other"
    write(path, '{"step": 0}\n')
    tail = Tail(path)
    write(other, '{"step": 0}\n{"step": 7}\n')
    other.replace(path)
    assert tail.poll() == [{"step": 7}]


def test_lines_that_are_no_objects_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    tail = Tail(path)
    write(path, 'nonsense\n[1]\n{"step": 1}\n')
    assert tail.poll() == [{"step": 1}]
    assert tail.broken == 2


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 30))
def test_any_cutting_of_the_bytes_gives_every_record_once(cuts: list[int], count: int) -> None:
    import tempfile

    records = [{"step": n, "text": "x" * (n % 5)} for n in range(count)]
    data = "".join(json.dumps(record) + "\n" for record in records).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics.jsonl"
        tail = Tail(path)
        found = []
        position = 0
        for cut in [*cuts, len(data)]:
            with path.open("ab") as file:
                file.write(data[position : position + cut])
            position += cut
            found += tail.poll()
    assert found == records


def test_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"\n".join(b"line %d" % n for n in range(20000)) + b"\n\n  \n\xff" + b"y" * 500 + b"\n")
    lines = last_lines(path, count=2, width=10)
    assert lines == ["line 19999", "\ufffdyyyyyyyyy"]
    assert last_lines(tmp_path / "none") == []
