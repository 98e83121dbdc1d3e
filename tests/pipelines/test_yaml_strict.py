"""The strict YAML reader: against PyYAML's own constructor where both mean the same, and against hostile text."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ops.errors import ConfigError
from pipelines.problems import RecipeError
from pipelines.yaml_strict import MAX_BYTES, read, scalar


def problems(content: bytes | str) -> list[str]:
    data = content.encode() if isinstance(content, str) else content
    try:
        return [str(problem) for problem in read(data, "f.yaml").problems]
    except RecipeError as error:
        return [str(problem) for problem in error.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("NO", "NO"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-12", -12),
        ("0o17", 15),
        ("017", 17),
        ("0x1F", 31),
        ("1e-3", 1e-3),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-11-23", "2026-11-23"),
        ("=", "="),
        ("-", "-"),
        (".", "."),
        ("e3", "e3"),
        ("1e", "1e"),
    ],
)
def test_plain_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    found = scalar(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", [".inf", "-.INF", ".nan", "1e999", "9" * 5000])
def test_numbers_that_json_cannot_hold_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"finite|digits"):
        scalar(text)


def test_quoted_scalars_stay_text() -> None:
    assert read(b"a: '12'\nb: \"true\"\nc: |\n  12\n", "f").data == {"a": "12", "b": "true", "c": "12\n"}


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(alphabet="abcxyz é🙂:#-'\"", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdefg", min_size=1, max_size=3), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(_PLAIN, st.booleans())
def test_reads_what_pyyaml_writes(value: Any, flow: bool) -> None:
    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    text = yaml.dump({"value": value}, Dumper=Dumper, default_flow_style=flow, allow_unicode=True)
    document = read(text.encode(), "f")
    assert document.problems == []
    assert document.data == {"value": value}


def test_positions_are_those_that_an_editor_shows() -> None:
    text = "a: 1\nlist:\n  - x: é\n    yy: [1, {z: 2}]\n"
    document = read(text.encode(), "f")
    assert document.keys[("list", 0, "yy")] == (4, 5)
    assert document.values[("list", 0, "x")] == (3, 8)
    assert document.values[("list", 0, "yy", 1, "z")] == (4, 17)
    assert document.values[("a",)] == (1, 4)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "a: &x 1\nb: *x\n",
            ["f.yaml:1:4: anchor &x: aliases are not allowed", "f.yaml:2:4: alias *x: write the value out"],
        ),
        ("a: 1\nb: 2\na: 3\n", ["f.yaml:3:1: key 'a' is there twice, first in line 1"]),
        ("a: {b: 1, b: {c: [1]}}\n", ["f.yaml:1:11: key 'b' is there twice, first in line 1"]),
        ("a: !!python/none x\n", ["f.yaml:1:4: tag tag:yaml.org,2002:python/none: tags are not allowed"]),
        ("a: !!str 1\n", ["f.yaml:1:4: tag tag:yaml.org,2002:str: tags are not allowed"]),
        ("a:\n  <<: {b: 1}\n", ["f.yaml:2:3: merge key <<: write the values out"]),
        ("a: 1\n---\nb: 2\n", ["f.yaml:2:1: a second document; a recipe is one document"]),
        ("", ["f.yaml:1:1: the file is empty"]),
        ("# only a comment\n", ["f.yaml:1:1: the file is empty"]),
        ("? [a]\n: b\n", ["f.yaml:1:3: a list or a mapping as a key; keys are text"]),
        ("a:\n\tb: 1\n", ["f.yaml:2:1: a tab in the indentation; YAML wants spaces"]),
        ("a: .inf\n", ["f.yaml:1:4: '.inf': not a finite number"]),
        (b"a: \xff\n", ["f.yaml:1:4: not UTF-8: invalid start byte (byte 3)"]),
        (b"a: 1\nb: \x00\n", ["f.yaml:2:4: character U+0000 is not allowed in YAML"]),
        (
            "a: [1, 2\n",
            ["f.yaml:2:1: not YAML: did not find expected ',' or ']' while parsing a flow sequence (begun in line 1)"],
        ),
    ],
)
def test_what_is_refused_is_named_with_its_place(content: bytes | str, expected: list[str]) -> None:
    assert problems(content) == expected


def test_keys_keep_their_spelling() -> None:
    assert read(b"no: 1\n1: 2\nnull: 3\n", "f").data == {"no": 1, "1": 2, "null": 3}


def _bomb() -> bytes:
    levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9)]
    return "\n".join(levels).encode()


@pytest.mark.parametrize(
    "content",
    [
        _bomb(),
        b"[" * 200_000,
        b"{a: " * 100_000,
        b"- " * 400_000,
        b"? " * 300_000,
        b"[" + b"1," * 400_000 + b"1]",
        b"a: 1\n" * 150_000,
        b"a: !!python/object/apply:time.sleep [9]",
        b"x" * (MAX_BYTES + 1),
        b"a: '" + b"'" * 400_000,
        b"&a " * 200_000,
        b"a:\n" + b" " * 900_000 + b"b",
        b"- - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - x",
        b"%TAG ! tag:yaml.org,2002:python/\n---\na: !object:os.system x",
    ],
    ids=lambda content: repr(content[:12]),
)
def test_bombs_are_refused_or_read_at_once(content: bytes) -> None:
    started = time.process_time()
    found = problems(content)
    assert time.process_time() - started < 1.0  # a tenth of it here; the bound tells linear from quadratic
    assert found or len(content) > 900_000


_WORDS = b"a 1e3 \xc3\xa9 - [ ] { } , : &a *a !!python/name:os ' \" | > ? <<: --- ... %YAML # @ ` \\".split()
_SPACES = [b"  ", b"\t", b"\r", b"\xff", b"\x00", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"a: "]
_TOKENS = st.sampled_from([word + end for word in _WORDS for end in (b"", b" ", b"\n")] + _SPACES)


@given(st.one_of(st.binary(max_size=200), st.lists(_TOKENS, max_size=60).map(b"".join)))
def test_any_bytes_give_data_or_a_config_error(content: bytes) -> None:
    started = time.process_time()
    try:
        document = read(content, "f")
    except ConfigError as error:
        assert str(error)
        assert "\n\n" not in str(error)
    else:
        assert all(problem.line >= 1 and problem.column >= 1 for problem in document.problems)
        assert _finite(document.data)
    assert time.process_time() - started < 0.1


def _finite(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_finite(item) for item in value.values())
    if isinstance(value, list):
        return all(_finite(item) for item in value)
    return not isinstance(value, float) or math.isfinite(value)
