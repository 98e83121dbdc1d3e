"""The asset `scores`."""

from __future__ import annotations

from typing import Any

import dagster as dg
import polars as pl
import polars.selectors as cs

from assets.factory import stage_asset
from assets.look import ROWS_ACCOUNTED, Look, Versions
from ops.recipe import Recipe
from ops.stages.scores import SCORES, read_scores

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def _metadata(recipe: Recipe, versions: Versions) -> dict[str, Any]:
    """Quartiles of each score over the partitions of the run: where a threshold may lie."""
    read = [read_scores(recipe, version) for version in versions.values()]
    records: list[dg.TableRecord] = []
    for step in recipe.scoring.values():
        table = pl.concat([tables[step.score_key] for tables in read]).select(cs.numeric())
        for name in table.columns:
            shares = {f"{share:.0%}": _short(table[name].quantile(share)) for share in SHARES}
            records.append(dg.TableRecord({"score": f"{step.kind}.{name}", **shares}))
    return {"scores": dg.MetadataValue.table(records)} if records else {}


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


LOOK = Look(frozenset({"parquet", "polars"}), (ROWS_ACCOUNTED,), _metadata)


def scores(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of what cleaning steps decide by."""
    return stage_asset(recipe, SCORES, LOOK)
