import polars as pl
import pytest

from ops.deduplication.exact import ExactDuplicates
from ops.errors import ConfigError


def losses(step: ExactDuplicates, dropped: int, gone: int = 0, rows: int = 100) -> list[str]:
    sources = pl.DataFrame({"id": [f"a/{n}" for n in range(rows)], "source": ["a"] * rows})
    ids = sources["id"]
    return step.excessive_losses(step.losses(sources, ids.tail(gone), ids.head(dropped)))


def test_a_source_that_loses_too_much_is_named() -> None:
    assert losses(ExactDuplicates(), 50) == []
    (found,) = losses(ExactDuplicates(), 51)
    assert "exact_duplicates drops 51 of 100 rows of 'a', more than maximum_loss 0.5" in found
    assert losses(ExactDuplicates(accept_loss=["a"]), 51) == []
    assert losses(ExactDuplicates(maximum_loss=0.6), 51) == []


def test_rows_that_were_gone_before_do_not_count() -> None:
    assert losses(ExactDuplicates(), 40, gone=10) == []
    assert len(losses(ExactDuplicates(), 40, gone=30)) == 1


def test_tiny_sources_are_not_judged() -> None:
    assert losses(ExactDuplicates(), 19, rows=19) == []
    assert len(losses(ExactDuplicates(), 20, rows=20)) == 1


def test_sources_by_partition_or_column() -> None:
    table = pl.DataFrame({"id": ["p/0", "p/1"], "site": ["x", None]})
    assert ExactDuplicates().sources(table, "p")["source"].to_list() == ["p", "p"]
    assert ExactDuplicates(loss_by="site").sources(table, "p")["source"].to_list() == ["x", "(null)"]
    with pytest.raises(ConfigError, match="no column 'size'"):
        ExactDuplicates(loss_by="size").sources(table, "p")


def test_signing_off_signs_nothing_anew() -> None:
    assert ExactDuplicates(maximum_loss=0.9, accept_loss=["a"]).key == ExactDuplicates().key
    assert ExactDuplicates(loss_by="site").key != ExactDuplicates().key
