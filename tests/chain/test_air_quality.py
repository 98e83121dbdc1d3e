"""The shipped recipe `air_quality`: it loads without network or mirror; on the real data it beats persistence."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ops.errors import ServiceDown
from ops.evaluation.reports import asset_metadata, read_report
from ops.sources import downloads
from ops.stages.chain import stages
from ops.stages.run import build_stage
from ops.stages.spec import ALL
from ops.storage import Store
from pipelines.plan import make_plan
from pipelines.recipe import load
from tests.chain import worlds

EVERYTHING = ("raw_corpus", "fitted", "clean_corpus", "statistics", "shards", "token_cache", "model", "report")


def test_without_network_or_mirror_it_is_planned_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SATIETY_MIRROR", raising=False)
    monkeypatch.setenv("SATIETY_DOWNLOADS", str(tmp_path / "downloads"))
    monkeypatch.setattr(downloads, "PAUSE_SECONDS", 0.0)
    recipe, store = load("air_quality").recipe, Store(tmp_path / "store")
    assert len(recipe.partition_keys()) == 60 and recipe.problems() == []
    plan = make_plan(recipe, store)
    assert plan.counts["build"] == len(plan.items) == 4 * 60 + 4
    unreachable = recipe.model_copy(
        update={"source": recipe.source.model_copy(update={"path": _nowhere(recipe.source.path)})}  # type: ignore[attr-defined]
    )
    with pytest.raises(ServiceDown, match="SATIETY_MIRROR"):
        build_stage(stages(recipe)[0], unreachable, "2010-01", store)


def _nowhere(remote: object) -> object:
    """The same file at an address of this machine where nobody answers."""
    return remote.model_copy(update={"url": "http://127.0.0.1:9/PRSA_data_2010.1.1-2014.12.31.csv"})  # type: ignore[attr-defined]


@pytest.mark.mirror
@pytest.mark.slow
def test_on_the_real_data_it_beats_persistence(mirror: Path, tmp_path: Path) -> None:
    shorter = ("partitions.monthly.start=2011-07", "training.epochs=1", "evaluation.bootstrap=200")
    recipe, store = load("air_quality", shorter).recipe, Store(tmp_path / "store")
    built = worlds.build(recipe, store, EVERYTHING)
    raw = [built["raw_corpus", month].version for month in recipe.partition_keys()]
    first = raw[0].manifest.counts
    assert first is not None and first.rejected == {"other_month": 24 * (365 + 181)}
    rows = pl.concat([version.parquet("data.parquet", ["time", "pm25", "measured"]) for version in raw])
    assert rows.height + 24 * (365 + 181) == 43_824
    assert set(rows["time"].diff().drop_nulls()) == {dt.timedelta(hours=1)}
    clean = pl.concat([built["clean_corpus", m].version.parquet("data.parquet") for m in recipe.partition_keys()])
    assert clean["pm25"].null_count() == 0 and clean["measured"].null_count() == rows["pm25"].null_count() > 500
    known = clean.filter(pl.col("measured").is_not_null())
    assert (known["pm25"] == known["measured"]).all()
    figures: dict[str, Any] = dict(
        asset_metadata(read_report(built["report", ALL].version.file("report.json").read_bytes()))
    )
    assert figures["mae"] < 55 < 60 < figures["persistence_mae"] and figures["skill_low"] > 0.3
    assert figures["baseline_mae"] < 58
