import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ops.quality.hashing import ends_hash, first_equal, load, repeated, spans_hash, tails_hash


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 9), max_size=200))
def test_the_first_equal_key(values: list[int]) -> None:
    first = first_equal(np.array(values, np.uint64))
    assert first.tolist() == [values.index(value) for value in values]
    assert repeated(first).tolist() == [place for place, value in enumerate(values) if values.count(value) > 1]


def test_keys_that_all_point_to_one_slot() -> None:
    keys = np.tile(np.arange(3000, dtype=np.uint64), 2)
    assert first_equal(keys).tolist() == [*range(3000), *range(3000)]


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=20))
def test_equal_spans_have_equal_hashes_and_others_others(parts: list[bytes]) -> None:
    parts = [*parts, parts[0][:-1] + b"?", parts[-1] + b"?", *parts]
    data = np.frombuffer(b"".join(parts) + b"\n" * 32, np.uint8)
    ends = np.cumsum([len(part) for part in parts])
    starts = ends - [len(part) for part in parts]
    hashes = spans_hash(data, starts, ends).tolist()
    assert [hashes.index(value) for value in hashes] == [parts.index(part) for part in parts]
    tails = tails_hash(data, starts, ends).tolist()
    ends_of = [(len(part), part[-8:]) for part in parts]
    assert [tails.index(tail) for tail in tails] == [ends_of.index(end) for end in ends_of]
    short = [place for place, part in enumerate(parts) if len(part) <= 16]
    keys = ends_hash(data, starts[short], ends[short]).tolist()
    assert [keys.index(key) for key in keys] == [
        [parts[place] for place in short].index(parts[place]) for place in short
    ]


def test_eight_bytes_from_every_place() -> None:
    data = np.arange(64, dtype=np.uint8)
    for place, value in zip(range(40), load(data, np.arange(40)).tolist(), strict=True):
        assert value.to_bytes(8, "little") == bytes(range(place, place + 8))
