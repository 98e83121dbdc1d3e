from __future__ import annotations

import pytest

from ops.errors import IntegrityError
from ops.evaluation.flows import by_partition, by_stage
from ops.evaluation.schema import Flow

FLOWS = [
    Flow(stage="raw", partition="b", rows_in=10, rows_out=9, rejected={"not_utf8": 1}),
    Flow(stage="raw", partition="a", rows_in=5, rows_out=5),
    Flow(stage="clean", partition="b", rows_in=9, rows_out=6, dropped={"short": 1, "copies": 2}, changed={"space": 4}),
    Flow(stage="clean", partition="a", rows_in=5, rows_out=4, dropped={"short": 1}),
    Flow(stage="shards", partition="b", rows_in=6, rows_out=18, added=12),
    Flow(stage="shards", partition="a", rows_in=4, rows_out=12, added=8),
]


def test_stages_are_sums_over_partitions() -> None:
    raw, clean, shards = by_stage(FLOWS)
    assert (raw.rows_in, raw.rows_out, raw.rejected) == (15, 14, {"not_utf8": 1})
    assert (clean.dropped, clean.changed) == ({"copies": 2, "short": 2}, {"space": 4})
    assert (shards.added, shards.rows_out) == (20, 30)


def test_partitions_go_from_the_first_stage_to_the_last() -> None:
    fold = Flow(stage="tokenizer", rows_in=10, rows_out=10)
    first, second = by_partition([*FLOWS, fold])
    assert first.model_dump() == {
        "partition": "a", "rows_in": 5, "rejected": 0, "dropped": 1, "added": 8, "rows_out": 12,
    }  # fmt: skip
    assert second.rejected == 1
    for row in (first, second):
        assert row.rows_in + row.added == row.rows_out + row.rejected + row.dropped
    assert by_partition([fold]) == []


def test_a_lost_row_is_an_error() -> None:
    with pytest.raises(IntegrityError, match=r"clean\[x\].*10 rows came in or were added, 9 are"):
        by_stage([Flow(stage="clean", partition="x", rows_in=10, rows_out=8, dropped={"short": 1})])
