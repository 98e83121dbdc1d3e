"""JSON read value by value: what the standard library reads as a whole, whatever the pieces are."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.sources import streamed_json
from ops.sources.streamed_json import Entry, Readable, entries

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class Pieces:
    """A stream that gives little at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._stream, self._size = io.BytesIO(data), size

    def read(self, size: int, /) -> bytes:
        return self._stream.read(min(size, self._size))


def joined(stream: Readable, lists: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind, key, value in entries(stream, lists):
        if kind == "item":
            found[key].append(value)
        else:
            found[key] = [] if kind == "list" else value
    return found


@given(st.dictionaries(st.text(), VALUES, max_size=5), st.booleans(), st.sampled_from((None, 1)), st.integers(1, 70))
def test_the_same_as_read_as_a_whole(document: dict[str, Any], plain: bool, indent: int | None, size: int) -> None:
    text = json.dumps(document, ensure_ascii=plain, indent=indent)
    data = b"\xef\xbb\xbf" * (size % 2) + text.encode("utf-8", "surrogatepass")
    lists = tuple(document)[::2]
    try:
        data.decode()
    except UnicodeDecodeError:
        with pytest.raises(ValueError, match="not UTF-8 at byte"):
            joined(Pieces(data, size), lists)
        return
    assert joined(Pieces(data, size), lists) == document
    kinds = {key: kind for kind, key, _ in reversed(list(entries(io.BytesIO(data), lists)))}
    assert kinds == {k: "list" if k in lists and isinstance(v, list) else "value" for k, v in document.items()}


@given(st.dictionaries(st.sampled_from("ab"), VALUES, min_size=1), st.data(), st.integers(1, 70))
def test_what_the_standard_library_refuses_is_refused(document: dict[str, Any], draw: st.DataObject, size: int) -> None:
    text = json.dumps(document)
    place = draw.draw(st.integers(0, len(text) - 1))
    broken = text[:place] + draw.draw(st.sampled_from(("", "}", "]", ",", '"', "x", "\n", "1"))) + text[place + 1 :]
    try:
        expected = json.loads(broken, object_pairs_hook=once, parse_constant=refused)
    except (ValueError, AttributeError):
        with pytest.raises(ValueError):
            joined(Pieces(broken.encode(), size), ("a",))
    else:
        found = joined(Pieces(broken.encode(), size), ("a",))
        assert found == (expected if isinstance(expected, dict) else {})


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("twice")
    return dict(pairs)


def refused(name: str) -> None:
    raise ValueError(name)


@pytest.mark.parametrize("size", [3, 1 << 20])
@pytest.mark.parametrize(
    "text",
    [
        '{"a": [1, 2\n, tru], "b": 1}',
        '{"a": [1,\n {"b": }]}',
        '{"a": [1 2]}',
        '{\n"b": [1, 2}',
        '{"a": []} x',
        '{"a" 1}',
    ],
)
def test_errors_have_the_place_of_the_standard_library(text: str, size: int) -> None:
    with pytest.raises(json.JSONDecodeError) as expected:
        json.loads(text)
    with pytest.raises(ValueError) as found:
        joined(Pieces(text.encode(), size), ("a",))
    assert str(found.value) == str(expected.value)


def test_values_come_while_the_document_is_read() -> None:
    stream = io.BytesIO(json.dumps({"a": [{"b": "x" * 1000}] * 10_000}).encode())
    found = entries(stream, ("a",))
    assert next(found) == Entry("list", "a")
    assert next(found) == Entry("item", "a", {"b": "x" * 1000})
    assert stream.tell() < 2 << 20


def test_a_value_that_is_too_large_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streamed_json, "CHUNK", 100)
    data = json.dumps({"a": ["x" * 50] * 100 + ["y" * 5000]}).encode()
    with pytest.raises(ValueError, match="a value of more than 1,000 characters"):
        list(entries(io.BytesIO(data), ("a",), largest=1000))


def test_a_document_that_is_cut_off_is_not_read_as_a_whole_to_find_a_fault() -> None:
    stream = io.BytesIO(b'{"a": [{"b": x}, ' + b'{"b": 1}, ' * 1_000_000)
    with pytest.raises(ValueError, match="line 1 column 14"):
        list(entries(stream, ("a",)))
    assert stream.tell() <= 2 << 20
