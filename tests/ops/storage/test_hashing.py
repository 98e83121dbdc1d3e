from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.storage import canonical_json, digest_of, sha256_bytes, sha256_file, sha256_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_canonical_json_is_json_and_does_not_depend_on_the_order_of_keys(value: object) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    if isinstance(value, dict):
        assert canonical_json(dict(reversed(value.items()))) == text


def test_canonical_json_is_what_it_was() -> None:
    assert canonical_json({"b": [1, 2.5, None], "a": "é"}) == '{"a":"é","b":[1,2.5,null]}'
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            canonical_json(number)


def test_sha256_of_file_bytes_and_values(tmp_path: Path) -> None:
    data = bytes(range(256)) * 9000
    (tmp_path / "x").write_bytes(data)
    expected = hashlib.sha256(data).hexdigest()
    assert sha256_file(tmp_path / "x") == sha256_bytes(data) == expected
    with (tmp_path / "x").open("rb") as file:
        assert sha256_file(file) == expected
    assert sha256_json({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()


def test_the_digest_is_the_documented_one_and_ignores_order() -> None:
    files = [("b", 2, "f" * 64), ("a", 1, "0" * 64)]
    text = json.dumps([["a", 1, "0" * 64], ["b", 2, "f" * 64]], separators=(",", ":"))
    assert digest_of(files) == digest_of(files[::-1]) == hashlib.sha256(text.encode()).hexdigest()[:32]
    assert digest_of(files) != digest_of([("b", 2, "f" * 64), ("a", 2, "0" * 64)])
    assert len(digest_of([])) == 32
