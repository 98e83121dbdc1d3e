from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.look import Check, Verdict, Versions, column_schema, counts_by_reason, rows_accounted, schema_check
from ops.recipe import Recipe
from ops.storage import Counts

RECIPE = cast("Recipe", None)
"""These verdicts look at manifests alone."""


@dataclass
class Entry:
    name: str = "data.parquet"
    schema: dict[str, str] | None = None


@dataclass
class Manifest:
    counts: Any = None
    files: list[Entry] = field(default_factory=list)


@dataclass
class Version:
    manifest: Manifest


def versions(**manifests: Manifest) -> Versions:
    return cast("Versions", {key: Version(manifest) for key, manifest in manifests.items()})


def counts(rows_in: int, rows_out: int, **more: Any) -> Manifest:
    return Manifest(counts=Counts(rows_in, rows_out, **more))


def test_partitions_whose_rows_do_not_add_up_are_named() -> None:
    good = counts(5, 4, added=1, rejected={"bad": 1}, dropped={"short": 1})
    assert rows_accounted(RECIPE, versions(a=good)) == Verdict(True, {"unaccounted": {}})
    verdict = rows_accounted(RECIPE, versions(a=good, b=counts(5, 4), c=counts(4, 5)))
    assert verdict == Verdict(False, {"unaccounted": {"b": 1, "c": -1}})


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(-3, 3))
def test_rows_are_accounted_for_exactly(kept: int, added: int, rejected: int, dropped: int, error: int) -> None:
    manifest = counts(
        kept - added + rejected + dropped + error, kept, added=added, rejected={"x": rejected}, dropped={"y": dropped}
    )
    assert rows_accounted(RECIPE, versions(a=manifest)).passed == (error == 0)


def test_a_schema_check_names_partition_column_and_both_types() -> None:
    check = schema_check(lambda recipe: {"id": "String", "label": "Int32"})
    right = Manifest(
        files=[Entry("rejects.parquet", {}), Entry(schema={"id": "String", "label": "Int32", "more": "Int8"})]
    )
    wrong = Manifest(files=[Entry(schema={"id": "String", "label": "Int64"})])
    gone = Manifest(files=[Entry(schema={"label": "Int32"})])
    assert check.judge(RECIPE, versions(a=right)).passed
    verdict = check.judge(RECIPE, versions(a=right, b=wrong, c=gone))
    assert not verdict.passed
    assert verdict.metadata["expected_and_found"] == {
        "b": {"label": ["Int32", "Int64"]},
        "c": {"id": ["String", "missing"]},
    }


def test_reasons_are_added_up_over_partitions() -> None:
    a = counts(9, 7, dropped={"short": 2}, changed={"case": 3})
    b = counts(9, 9, added=1, dropped={"short": 1}, rejected={"short": 4})
    table = counts_by_reason(versions(a=a, b=b, c=Manifest()))
    assert isinstance(table, dg.TableMetadataValue)
    assert [tuple(record.data.values()) for record in table.records] == [
        ("added", "copies", 1),
        ("changed", "case", 3),
        ("dropped", "short", 3),
        ("rejected", "short", 4),
    ]


def test_nothing_dropped_is_no_table() -> None:
    assert counts_by_reason(versions(a=counts(3, 3))) is None


def test_a_column_schema_keeps_names_and_types() -> None:
    (version,) = versions(a=Manifest(files=[Entry(schema={"id": "String", "copy": "Int32"})])).values()
    assert [(c.name, c.type) for c in column_schema(version).columns] == [("id", "String"), ("copy", "Int32")]


@pytest.mark.parametrize("passed", [True, False])
def test_a_check_blocks_and_carries_what_it_found(passed: bool) -> None:
    check = Check("right", "It is right.", lambda recipe, versions: Verdict(passed, {"wrong": 3}))
    key = dg.AssetKey(["tiny", "stage"])
    spec = check.spec(key)
    assert (spec.name, spec.asset_key, spec.blocking) == ("right", key, True)
    result = check.result(key, RECIPE, {})
    assert (result.passed, result.check_name, result.metadata["wrong"].value) == (passed, "right", 3)
