from itertools import groupby

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ops.cleaning.gaps import block_mask, cell_mask, group_numbers, missing, run_lengths


@given(
    st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=40).map(
        lambda rows: sorted(rows, key=lambda r: r[0])
    )
)
def test_run_lengths(rows: list[tuple[int, bool]]) -> None:
    expected: list[int] = []
    for (_, absent), run in groupby(rows):
        length = len(list(run))
        expected += [length if absent else 0] * length
    group = np.array([g for g, _ in rows], np.int64)
    assert run_lengths(np.array([a for _, a in rows], bool), group).tolist() == expected


def test_nan_is_missing_in_floats_only() -> None:
    assert missing(pl.Series([1.0, float("nan"), None])).to_list() == [False, True, True]
    assert missing(pl.Series(["nan", None])).to_list() == [False, True]


def test_groups_are_told_apart() -> None:
    table = pl.DataFrame({"a": ["x", "x", "y", None, None], "b": [1, 1, 1, 1, 1]})
    numbers = group_numbers(table, ["a", "b"]).tolist()
    assert numbers[0] == numbers[1] and numbers[3] == numbers[4] and len(set(numbers)) == 3
    assert group_numbers(table, []).tolist() == [0] * 5


@given(st.lists(st.booleans(), max_size=80), st.floats(0.01, 0.5), st.integers(0, 9))
def test_cells_are_hidden_where_a_value_is_and_one_stays(there: list[bool], share: float, seed: int) -> None:
    present = np.array(there, bool)
    mask = cell_mask(present, share, np.random.default_rng(seed))
    assert not (mask & ~present).any()
    count = int(present.sum())
    assert mask.sum() == (min(max(1, round(share * count)), count - 1) if count else 0)
    assert (mask == cell_mask(present, share, np.random.default_rng(seed))).all()


@given(st.integers(2, 300), st.integers(2, 24), st.floats(0.01, 0.5), st.integers(0, 9))
def test_blocks_are_whole_and_do_not_touch(rows: int, length: int, share: float, seed: int) -> None:
    mask = block_mask(np.ones(rows, bool), share, length, np.random.default_rng(seed))
    runs = [len(list(run)) for hidden, run in groupby(mask.tolist()) if hidden]
    assert set(runs) <= {length}
    assert len(runs) <= max(1, round(share * rows / length))
    assert not mask[:1].any()
