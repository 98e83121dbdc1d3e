from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ops.errors import IntegrityError
from ops.stages.cached import cached_rows, write_index
from ops.storage import Output, Store

ROW = st.tuples(st.text(max_size=9), st.integers(0, 2**40), st.integers(0, 2**31 - 1), st.none() | st.integers(-1, 9),
                st.sampled_from(("train", "valid", "test")), st.integers(0, 3))  # fmt: skip
SCHEMA = {"id": pl.String, "offset": pl.Int64, "length": pl.Int32, "label": pl.Int32, "split": pl.String,
          "copy": pl.Int32}  # fmt: skip


@given(st.lists(ROW, max_size=20))
def test_rows_come_back_whole_or_in_part(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[object]]) -> None:
    table = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    slot = Store(tmp_path_factory.mktemp("store")).slot("demo", "token_cache")
    version, _ = slot.commit("f0", {}, lambda output: write_index(output, table))
    assert_frame_equal(cached_rows(version), table)
    assert_frame_equal(cached_rows(version, ["split"]), table.select("split"))
    assert_frame_equal(cached_rows(version, ["copy", "id"]), table.select("copy", "id"))
    assert [(file.name, file.rows) for file in version.manifest.files] == [
        ("ids.arrow", table.height),
        ("index.arrow", table.height),
    ]


def test_a_cache_of_an_older_version_is_named(tmp_path: Path) -> None:
    def write(output: Output) -> None:
        output.parquet("index.parquet", pl.DataFrame({"id": ["a"], "split": ["train"]}))

    version, _ = Store(tmp_path).slot("demo", "token_cache").commit("f0", {}, write)
    with pytest.raises(IntegrityError, match="older version") as caught:
        cached_rows(version, ["id"])
    assert "--stage token_cache" in str(caught.value.hint)
