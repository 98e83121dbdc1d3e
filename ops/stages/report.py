"""report: the model judged on the test split, beside the majority class and a classical baseline."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ops.evaluation.cost import Cost, Energy
from ops.evaluation.schema import Flow, Origin, Report, Subject
from ops.recipe import Recipe
from ops.stages.spec import Build, Input, Stage
from ops.storage import Version

if TYPE_CHECKING:
    from ops.evaluation.baselines.base import Fitted
    from ops.evaluation.report import TestRows

FLOWS = ("raw_corpus", "clean_corpus", "shards")
"""The stages whose rows the report accounts for; the others neither lose nor make rows."""


def _config(recipe: Recipe) -> dict[str, Any]:
    return {
        **recipe.part("name", "description", "evaluation", "seed"),
        "task": recipe.task.kind,
        "input": recipe.task.input,
    }


def _modules(recipe: Recipe) -> list[str]:
    return [type(recipe.evaluation.baseline).__module__, "ops.evaluation.html"]


def _build(build: Build) -> None:
    from ops.evaluation.html import render

    report = _report(build)
    build.output.text("report.html", render(report))
    build.output.json("report.json", report.model_dump(mode="json"))
    build.output.json("metrics.json", figures(report))
    build.output.text("curves.csv", _curves(report))
    build.output.facts({"outcome": report.verdict.outcome, "headline": report.verdict.headline})


def _report(build: Build) -> Report:
    from ops.evaluation.report import build_report

    recipe, model = build.recipe, build.one("model")
    statistics = build.one("statistics").json("statistics.json")
    classes: list[str] = statistics["classes"]
    test, baseline = _judged(build, model)
    return build_report(
        subject=Subject(
            recipe=recipe.name,
            description=recipe.description,
            task=recipe.task.kind,
            modality=recipe.task.modality,
            model=_architecture(recipe),
            seed=recipe.seed,
            fingerprint=model.manifest.fingerprint,
            command=f"satiety run {recipe.name}",
        ),
        classes=classes,
        test=test,
        balance={split: [counts.get(name, 0) for name in classes] for split, counts in statistics["counts"].items()},
        flows=[flow for name in FLOWS for flow in _flows(name, build.every(name))],
        history=_records(model.file("history.jsonl")),
        inputs=[Origin(stage=s, partition=p, digest=v.digest) for s in build.inputs for p, v in build.every(s).items()],
        model_cost=_cost(model.cost or {}),
        baseline=baseline,
        resamples=recipe.evaluation.bootstrap,
        samples=recipe.evaluation.samples,
        mistakes=recipe.evaluation.samples,
    )


def _architecture(recipe: Recipe) -> str:
    """The model in a few words: its kind and settings."""
    settings = {name: value for name, value in recipe.part("model")["model"].items() if name != "kind"}
    words = [f"{name.replace('_', ' ')} {value}" for name, value in settings.items() if value is not None]
    return f"{recipe.model.kind.replace('_', ' ').capitalize()}: {', '.join(words)}"


def _judged(build: Build, model: Version) -> tuple[TestRows, Fitted]:
    """The test rows with the model's predictions, and the baseline fitted on the training rows as they were."""
    from ops.evaluation.report import TestRows
    from ops.training.predict import predict_split

    recipe = build.recipe
    original = pl.col("copy") == 0
    rows = pl.concat(
        [v.parquet("data.parquet").filter(original) for v in build.every("shards").values()], how="vertical"
    )
    train, test = rows.filter(pl.col("split") == "train"), rows.filter(pl.col("split") == "test")
    predicted = predict_split(model, build.every("token_cache"), "test").argmax(axis=1).astype(np.int64)
    labels = test["label"].to_numpy().astype(np.int64)
    inputs = _values(test, recipe)
    baseline = recipe.evaluation.baseline.fit_predict(_values(train, recipe), train["label"].to_numpy(), inputs)
    return TestRows(ids=test["id"].to_list(), inputs=inputs, truth=labels, predicted=predicted), baseline


def _values(rows: pl.DataFrame, recipe: Recipe) -> Any:
    """Texts as a list, or images as uint8 of shape (rows, height, width, channels)."""
    column = rows[recipe.task.input]
    if recipe.task.modality != "image":
        return column.to_list()
    shape = rows.select("height", "width", "channels").row(0) if rows.height else (1, 1, 1)
    return np.frombuffer(b"".join(column.to_list()), np.uint8).reshape(-1, *shape)


def _flows(stage: str, versions: Any) -> list[Flow]:
    found = []
    for key, version in versions.items():
        counts = version.manifest.counts
        found.append(
            Flow(
                stage=stage,
                partition=key,
                rows_in=counts.rows_in,
                rows_out=counts.rows_out,
                added=counts.added,
                rejected=dict(counts.rejected),
                dropped=dict(counts.dropped),
                changed=dict(counts.changed),
            )
        )
    return found


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _cost(measured: dict[str, Any]) -> Cost:
    """What training measured; empty where the model was restored without its cost (by `dvc pull`)."""
    energy = measured.get("energy")
    return Cost(
        parameters=measured.get("parameters"),
        flops=measured.get("flops"),
        flops_how=measured.get("flops_how", "") if measured.get("flops") is not None else "",
        cpu_seconds=measured.get("cpu_s"),
        wall_seconds=measured.get("wall_s"),
        peak_bytes=measured.get("peak_rss_bytes"),
        energy=Energy(**energy) if energy else None,
    )


def figures(report: Report) -> dict[str, float]:
    """The report's main figures by name, costs among them: what `dvc metrics diff` compares."""
    from ops.evaluation.summary import asset_metadata

    return {name: value for name, value in asset_metadata(report).items() if not isinstance(value, str)}


def _curves(report: Report) -> str:
    columns = ("train_loss", "valid_loss", "valid_accuracy")
    rows: dict[int, dict[str, float]] = {}
    for name in columns:
        for point in getattr(report.curves, name):
            rows.setdefault(point.step, {})[name] = point.value
    text = io.StringIO()
    writer = csv.DictWriter(text, ("step", *columns), lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows({"step": step, **values} for step, values in sorted(rows.items()))
    return text.getvalue()


REPORT = Stage(
    name="report",
    description="The model on the test split beside the majority class and a classical baseline, and its cost.",
    partitioned=False,
    inputs=(
        Input("raw_corpus", every=True),
        Input("clean_corpus", every=True),
        Input("statistics"),
        Input("shards", every=True),
        Input("token_cache", every=True),
        Input("model"),
    ),
    config=_config,
    keys=("name", "description", "evaluation", "seed", "task", "model"),
    build=_build,
    modules=_modules,
)
