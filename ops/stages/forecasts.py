"""The test split of a series as the report judges it: forecasts of model, baseline and persistence beside the truth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ops.errors import BadData
from ops.evaluation.baselines.base import Stretches
from ops.evaluation.forecast.build import Forecasts, build_forecast_report
from ops.evaluation.forecast.schema import ForecastReport
from ops.evaluation.given import Given
from ops.stages.cached import cached_rows
from ops.stages.series import SPLITS, series_task
from ops.stages.spec import Build
from ops.training.data import Examples, load_examples
from ops.training.inputs import cache_inputs

WEEK_US = 7 * 86_400_000_000


def forecast_report(build: Build, given: Given) -> ForecastReport:
    """The report; `given` is what it has in common with others, but for the baseline."""
    from ops.training.predict import predict_split

    recipe, task = build.recipe, series_task(build.recipe)
    caches, model = build.every("token_cache"), build.one("model")
    spec = model.json("model.json")["input"]
    examples = load_examples(cache_inputs(caches), "<f4", 0, label_shape=task.label_shape)
    test = examples["test"]
    if not len(test):
        raise BadData("there is no test row to judge the model on", where="report", hint="move split.test_from")
    ids = pl.concat([cached_rows(v, ["id", "split"]) for v in caches.values()])
    rows = ids.filter(pl.col("split") == "test").select("id")
    shards = build.every("shards").values()
    moments = pl.concat([version.parquet("data.parquet", ["id", task.input]) for version in shards])
    rows = rows.join(moments, on="id", how="left", maintain_order="left")
    inputs = {split: _stretches(examples[split], spec, task.features.index(task.past_column), task.horizon)
              for split in ("train", "test")}  # fmt: skip
    baseline = recipe.evaluation.baseline.fit_predict(inputs["train"], examples["train"].label[:, 0], inputs["test"])
    return build_forecast_report(
        replace(given, baseline=baseline),
        label=task.label,
        minutes=task.minutes,
        test=Forecasts(
            ids=rows["id"].to_list(),
            moments=rows[task.input].dt.strftime("%Y-%m-%d %H:%M UTC").to_list(),
            blocks=rows[task.input].dt.epoch("us").to_numpy() // WEEK_US,
            past=_double(inputs["test"].values[:, :, inputs["test"].past]),
            truth=_double(test.label[:, 0]),
            predicted=_double(predict_split(model, caches, "test", build.services.predictors)),
            persistence=_double(test.label[:, 1]),
        ),
        splits={split: len(examples[split]) for split in SPLITS},
        samples=recipe.evaluation.samples,
    )


def _stretches(examples: Examples, spec: dict[str, Any], past: int, horizon: int) -> Stretches:
    values = examples.values(np.arange(len(examples)))
    return Stretches(values.reshape(-1, spec["history"], spec["features"]), past, horizon)


def _double(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(values, np.float64)
