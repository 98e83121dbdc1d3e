"""Imputation on Beijing PM2.5 with known values hidden: what `auto` gets wrong beside each single method."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from benchmarks.data import mirror
from benchmarks.measure import Figure

FILE = "beijing_pm25/PRSA_data_2010.1.1-2014.12.31.csv"
COLUMNS = ["pm2.5", "DEWP", "TEMP", "PRES", "Iws"]
SINGLE = ("mean", "median", "mode", "forward_fill", "linear", "time", "knn", "iterative")
BAR = ("mean", "median", "linear")
SEEDS = (11, 12, 13)
HIDDEN, BLOCK = 0.1, 24


def air_quality() -> pl.DataFrame:
    """The hourly table with its time, and the split by year: 2010 to 2012 are training rows."""
    table = pl.read_csv(mirror(FILE), null_values=["", "NA"], infer_schema_length=None)
    time = pl.datetime("year", "month", "day", "hour")
    split = pl.when(pl.col("year") < 2013).then(pl.lit("train")).otherwise(pl.lit("test"))
    return table.select(
        pl.col("No").cast(pl.String).alias("id"),
        time.alias("time"),
        split.alias("split"),
        pl.col(COLUMNS).cast(pl.Float64),
    )


def hidden(present: np.ndarray[Any, Any], pattern: str, seed: int) -> np.ndarray[Any, Any]:
    """Places to hide: single cells at random, or blocks of 24 hours that begin anywhere."""
    random = np.random.default_rng(seed)
    mask = np.zeros(len(present), bool)
    if pattern == "cells":
        mask[random.permutation(np.flatnonzero(present))[: round(HIDDEN * present.sum())]] = True
        return mask
    for start in random.integers(0, len(present) - BLOCK, round(HIDDEN * len(present) / BLOCK)):
        mask[start : start + BLOCK] = True
    shown: np.ndarray[Any, Any] = mask & present
    return shown


def imputation(repeats: int) -> list[Figure]:
    """Root mean squared error on hidden test rows of pm2.5, and of every column as a ratio, for each pattern."""
    from ops.cleaning.impute import Impute
    from ops.steps import Facts

    table = air_quality()
    fitted: dict[str, Mapping[str, Any]] = {}
    train = table.filter(pl.col("split") == "train")
    figures: list[Figure] = []
    for method in ("auto", *SINGLE):
        step = Impute.model_validate({"columns": COLUMNS, "method": method, "order": "time"})
        fitted[step.fit_key] = step.fit(train, 0)
    errors: dict[tuple[str, str, str], list[float]] = {}
    for pattern in ("cells", "blocks"):
        for seed in SEEDS:
            masks = {
                name: hidden(table[name].is_not_null().to_numpy(), pattern, seed + 100 * place)
                for place, name in enumerate(COLUMNS)
            }
            masked = table.with_columns(table[name].set(pl.Series(mask), None) for name, mask in masks.items())
            for method in ("auto", *SINGLE):
                step = Impute.model_validate({"columns": COLUMNS, "method": method, "order": "time"})
                filled = step.apply(masked, Facts("all", fitted=fitted)).kept
                test = (table["split"] == "test").to_numpy()
                for name, mask in masks.items():
                    apart = (filled[name].to_numpy() - table[name].to_numpy())[mask & test]
                    errors.setdefault((pattern, name, method), []).append(float(np.sqrt((apart**2).mean())))
    for pattern in ("cells", "blocks"):
        for name in COLUMNS:
            rmse = {method: float(np.mean(errors[pattern, name, method])) for method in ("auto", *SINGLE)}
            best = min(rmse[method] for method in BAR)
            goal = "≤ 1"
            figures.append(
                Figure(
                    f"imputation of {name}, {pattern}: auto over the best of {', '.join(BAR)}",
                    rmse["auto"] / best,
                    "x",
                    goal,
                    rmse["auto"] <= best,
                    {"rmse": {method: round(value, 4) for method, value in rmse.items()}},
                )
            )
    return figures
