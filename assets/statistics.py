"""The asset `statistics`, with the check that no test row is also a training row."""

from __future__ import annotations

from typing import Any

import dagster as dg

from assets.factory import stage_asset
from assets.look import Check, Look, Verdict, Versions
from ops.fitting import evidence
from ops.recipe import Recipe
from ops.stages.statistics import STATISTICS


def _statistics(versions: Versions) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(versions.values())).json("statistics.json")
    return found


def _no_leak(recipe: Recipe, versions: Versions) -> Verdict:
    shared = _statistics(versions)["shared_with_train"]
    return Verdict(not any(shared.values()), {f"{split}_rows_in_train": rows for split, rows in shared.items()})


def _metadata(recipe: Recipe, versions: Versions) -> dict[str, Any]:
    found = _statistics(versions)
    learned = evidence(recipe.normalization, found.get("fitted", {}))
    tables = {step: dg.MetadataValue.table([dg.TableRecord(row) for row in rows]) for step, rows in learned.items()}
    if "stream" in found:
        return {f"{what}_{split}": n for what, of in found["stream"].items() for split, n in of.items()} | tables
    return (_series(recipe, found) if "series" in found else _classes(found)) | tables


def _series(recipe: Recipe, found: dict[str, Any]) -> dict[str, Any]:
    series = found["series"]
    moments = zip(recipe.task.reads, series["mean"], series["std"], strict=False)
    rows = [dg.TableRecord({"feature": name, "mean": mean, "deviation": std}) for name, mean, std in moments]
    return {f"rows_{split}": n for split, n in found["rows"].items()} | {"features": dg.MetadataValue.table(rows)}


def _classes(found: dict[str, Any]) -> dict[str, Any]:
    splits = ("train", "valid", "test")
    balance = [
        dg.TableRecord({"class": name, **{split: found["counts"][split].get(name, 0) for split in splits}})
        for name in found["classes"]
    ]
    return {"classes": len(found["classes"]), "class_balance": dg.MetadataValue.table(balance)}


LOOK = Look(
    frozenset({"json", "polars"}),
    (Check("no_test_row_in_train", "No row of valid or test has the content of a training row.", _no_leak),),
    _metadata,
)


def statistics(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of what the training rows say of the whole corpus."""
    return stage_asset(recipe, STATISTICS, LOOK)
