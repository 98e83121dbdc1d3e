"""How an asset looks in the web page: its kinds, its checks, and the metadata made from its manifests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from ops.recipe import Recipe
from ops.storage import Version

Versions = Mapping[str, Version]
"""The versions of one asset by partition key."""


@dataclass(frozen=True)
class Verdict:
    """What a check found; `metadata` says where."""

    passed: bool
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One blocking check of an asset, made on what was just built: a failure keeps everything downstream from running.

    Partitioned checks are a preview feature of Dagster, so a check covers all partitions of a run and names those
    that fail in its metadata.
    """

    name: str
    description: str
    judge: Callable[[Recipe, Versions], Verdict]

    def spec(self, key: dg.AssetKey) -> dg.AssetCheckSpec:
        """The check's declaration for an asset."""
        return dg.AssetCheckSpec(self.name, asset=key, description=self.description, blocking=True)

    def result(self, key: dg.AssetKey, recipe: Recipe, versions: Versions) -> dg.AssetCheckResult:
        """Make the check."""
        verdict = self.judge(recipe, versions)
        return dg.AssetCheckResult(
            passed=verdict.passed, asset_key=key, check_name=self.name, metadata=dict(verdict.metadata)
        )


@dataclass(frozen=True)
class Look:
    """The kinds (icons), checks and extra metadata of an asset."""

    kinds: frozenset[str]
    checks: tuple[Check, ...] = ()
    metadata: Callable[[Recipe, Versions], dict[str, Any]] = field(default=lambda recipe, versions: {})


def rows_accounted(recipe: Recipe, versions: Versions) -> Verdict:
    """Whether rows in and added equal rows out, rejected and dropped, in every partition."""
    lost: dict[str, int] = {}
    for key, version in versions.items():
        counts = version.manifest.counts
        if counts is None:
            continue
        missing = counts.rows_in + counts.added - counts.rows_out
        missing -= sum(counts.rejected.values()) + sum(counts.dropped.values())
        if missing:
            lost[key] = missing
    return Verdict(not lost, {"unaccounted": lost})


ROWS_ACCOUNTED = Check(
    "rows_accounted", "Rows in and added equal rows out, rejected and dropped by a named rule.", rows_accounted
)


def schema_check(expected: Callable[[Recipe], Mapping[str, str]]) -> Check:
    """A check that `data.parquet` of every partition has at least the columns and types that `expected` gives."""

    def judge(recipe: Recipe, versions: Versions) -> Verdict:
        wrong: dict[str, Any] = {}
        for key, version in versions.items():
            entry = next(e for e in version.manifest.files if e.name == "data.parquet")
            found = dict(entry.schema or {})
            differing = {n: [t, found.get(n, "missing")] for n, t in expected(recipe).items() if found.get(n) != t}
            if differing:
                wrong[key] = differing
        return Verdict(not wrong, {"expected_and_found": wrong})

    return Check("schema", "Every partition has the declared columns with the declared types.", judge)


def column_schema(version: Version, file: str = "data.parquet") -> dg.TableSchema:
    """The columns and types of a stored table, as Dagster shows them."""
    entry = next(e for e in version.manifest.files if e.name == file)
    return dg.TableSchema([dg.TableColumn(name, kind) for name, kind in dict(entry.schema or {}).items()])


def counts_by_reason(versions: Versions) -> dg.MetadataValue | None:
    """A table of what was rejected, dropped, changed and added, over all partitions of the run."""
    totals: dict[tuple[str, str], int] = {}
    for version in versions.values():
        counts = version.manifest.counts
        if counts is None:
            continue
        for what in ("rejected", "dropped", "changed"):
            for reason, rows in getattr(counts, what).items():
                totals[what, reason] = totals.get((what, reason), 0) + rows
        if counts.added:
            totals["added", "copies"] = totals.get(("added", "copies"), 0) + counts.added
    if not totals:
        return None
    records = [dg.TableRecord({"what": w, "reason": r, "rows": n}) for (w, r), n in sorted(totals.items())]
    return dg.MetadataValue.table(records)
