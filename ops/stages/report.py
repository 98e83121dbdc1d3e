"""report: the model judged on the test split, beside the majority class and a classical baseline."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl
import yaml

from ops.errors import BadData, CheckFailed
from ops.evaluation.cost import ESTIMATE, Cost, Energy, si
from ops.evaluation.given import Given
from ops.evaluation.schema import Flow, Learned, Origin, Point, Report, Subject
from ops.evaluation.trial_curves import TrialCurves, trial_curves
from ops.fitting import FittedStep, evidence
from ops.recipe import Recipe
from ops.stages.judged import read_rows, shown_rows
from ops.stages.model import change_modules
from ops.stages.settled import FOUND, LEARNED, STRENGTH, SWEEP, chosen, settled, swept, tried
from ops.stages.spec import Build, Input, Stage
from ops.stages.statistics import SPLITS
from ops.storage import Version

if TYPE_CHECKING:
    from ops.evaluation.baselines.base import Fitted
    from ops.evaluation.forecast.schema import ForecastReport
    from ops.evaluation.language.schema import LanguageReport
    from ops.evaluation.report import TestRows
    from ops.evaluation.reports import AnyReport
    from ops.sources.base import Modality

FLOWS = ("raw_corpus", "clean_corpus", "shards")
"""The stages whose rows the report accounts for; the others neither lose nor make rows."""

CURVES = ("train_loss", "valid_loss", "valid_accuracy")
"""The learning curves, each in a file of its name: what `dvc plots` draws."""

FORECAST_CURVES = ("train_loss", "valid_loss", "valid_mae")
"""The same of a forecast."""

SETTINGS = {"depth": "{} layer", "dim": "width {}", "heads": "{} head", "patch": "patches of {}"}
"""What a reader wants to know of a model, where its kind has such a setting, and how one of it is said."""
COUNTED = ("depth", "heads")
PATCHES = {"image": "patches of {0} by {0}", "sound": "patches of {} frames", "series": "patches of {} steps"}
"""How patches are said of what a model reads."""


REPRODUCED = tuple(key for key in Recipe.model_fields if key not in ("owners", "automation"))
"""The keys of a recipe that the report prints, so that it can be made again: all that can change a result."""


def _config(recipe: Recipe) -> dict[str, Any]:
    return recipe.part(*REPRODUCED)


def _modules(recipe: Recipe) -> list[str]:
    # The model predicts here, and the kinds of models and tasks are found by name.
    kinds = (recipe.evaluation.baseline, recipe.task, recipe.model)
    steps = [step for step in (*recipe.cleaning, *recipe.normalization) if isinstance(step, FittedStep)]
    more = ["ops.stages.forecasts", "ops.evaluation.forecast.render"] if recipe.task.form == "series" else []
    if recipe.task.form == "stream":
        more = ["ops.stages.language", "ops.evaluation.language.render"]
    more += change_modules(recipe)  # the contact sheet makes copies itself where none are stored
    return ["ops.evaluation.html", *more, *(type(value).__module__ for value in (*kinds, *steps))]


def _build(build: Build) -> None:
    _check_settings(build)
    form = build.recipe.task.form
    made = (_forecast if form == "series" else _language if form == "stream" else _classifier)(build)
    report, page, curves = made
    build.output.text("report.html", page)
    build.output.json("report.json", report.model_dump(mode="json"))
    build.output.json("metrics.json", figures(report))
    for name in curves:
        build.output.text(f"{name}.csv", _curve(getattr(report.curves, name), name))
    build.output.facts({"outcome": report.verdict.outcome, "headline": report.verdict.headline})


def _classifier(build: Build) -> tuple[Report, str, tuple[str, ...]]:
    from ops.evaluation.html import render

    report = _report(build)
    return report, render(report), CURVES


def _forecast(build: Build) -> tuple[ForecastReport, str, tuple[str, ...]]:
    from ops.evaluation.forecast.render import render_forecast
    from ops.stages.forecasts import forecast_report

    report = forecast_report(build, _given(build))
    return report, render_forecast(report), FORECAST_CURVES


def _language(build: Build) -> tuple[LanguageReport, str, tuple[str, ...]]:
    from ops.evaluation.language.render import render_language
    from ops.stages.language import language_report

    report = language_report(build, _given(build))
    return report, render_language(report), CURVES


def _given(build: Build) -> Given:
    """What every report is made from, but for the baseline."""
    # Windows of series and of streams lose rows in the cache.
    counted = FLOWS if build.recipe.task.form not in ("series", "stream") else (*FLOWS, "token_cache")
    model = build.one("model")
    return Given(
        subject=_subject(build),
        flows=[flow for name in counted for flow in _flows(name, build.every(name))],
        history=_records(model.file("history.jsonl")),
        inputs=_origins(build),
        model_cost=_with_searches(build, _cost(model.cost or {})),
        resamples=build.recipe.evaluation.bootstrap,
        learned=_learned(build),
    )


def _check_settings(build: Build) -> None:
    """Whether all that is reported on was made with the recipe's settings, which the report prints.

    Raises:
        CheckFailed: it was not; only where the report is built alone.
    """
    from ops.stages.chain import stage_named
    from ops.stages.run import settings

    for name in build.inputs:
        wanted = settings(stage_named(build.recipe, name), build.recipe)
        for key, version in build.every(name).items():
            made = {path: value for path, value in version.manifest.inputs.items() if path.startswith("config.")}
            other = sorted(path for path in made.keys() | wanted.keys() if made.get(path) != wanted.get(path))
            if other:
                setting = other[0].removeprefix("config.")
                was, now = (values.get(other[0], "not there") for values in (made, wanted))
                said = f"{name}[{key}] was made with other settings: {setting} was {was} and is {now}"
                raise CheckFailed(said, hint=f"build {name} first, or run without --stage")


def _report(build: Build) -> Report:
    from ops.evaluation.contact_sheet import sheet_of
    from ops.evaluation.report import build_report

    recipe, model = settled(build).recipe, build.one("model")
    classes: list[str] = build.one("statistics").json("statistics.json")["classes"]
    rows = _originals(build)
    test, baseline = _judged(build, model, rows)
    sheet = sheet_of(recipe, build.every("shards"))
    return build_report(
        replace(_given(build), baseline=baseline),
        classes=classes,
        test=test,
        balance=_balance(rows, len(classes)),
        samples=recipe.evaluation.samples,
        mistakes=recipe.evaluation.samples,
        contact_sheet=sheet and sheet.model_copy(update={"strength": _strength(build)}),
    )


def _strength(build: Build) -> float:
    """The strength of augmentation, as it was set or searched."""
    if STRENGTH in build.inputs:
        return chosen(build.one(STRENGTH))
    found = build.recipe.augmentation.strength if build.recipe.augmentation else 1.0
    assert found != "auto"
    return found


def _subject(build: Build) -> Subject:
    # With the values that a sweep chose: so the very model can be trained without it.
    recipe, model = build.recipe, build.one("model")
    said = settled(build).recipe if SWEEP in build.inputs else recipe
    return Subject(
        recipe=recipe.name,
        description=recipe.description,
        task=recipe.task.kind,
        modality=cast("Modality", recipe.task.modality),
        model=architecture(model.json("model.json")["model"], recipe.task.form),
        seed=recipe.seed,
        fingerprint=model.manifest.fingerprint,
        settings=yaml.safe_dump(said.part(*REPRODUCED), sort_keys=False, allow_unicode=True, width=110),
    )


def _origins(build: Build) -> list[Origin]:
    return [Origin(stage=s, partition=p, digest=v.digest) for s in build.inputs for p, v in build.every(s).items()]


def _learned(build: Build) -> list[Learned]:
    """What the fitted steps of cleaning and normalisation learned, from the two folds that keep it."""
    cleaning = build.one("fitted").json("fitted.json") if "fitted" in build.inputs else {}
    normalization = build.one("statistics").json("statistics.json").get("fitted", {})
    found = evidence(build.recipe.cleaning, cleaning) | evidence(build.recipe.normalization, normalization)
    learned = [Learned(step=step, rows=rows) for step, rows in found.items()]
    if STRENGTH in build.inputs:
        trials = tried(build.one(STRENGTH))
        learned.append(Learned(step="augmentation.strength", source="validation", rows=trials))
    if SWEEP in build.inputs:
        # A dot would lead further down in the report's data.
        words = {"rung": "round"}
        trials = [{words.get(k, k.replace(".", " ")): v for k, v in row.items()} for row in swept(build.one(SWEEP))]
        learned.append(Learned(step=SWEEP, source="validation", rows=trials, curves=_curves(build.one(SWEEP))))
    return learned


def _curves(sweep: Version) -> TrialCurves | None:
    """How the trials of a sweep learned, by what they took where that is known."""
    return trial_curves(sweep.json(FOUND), sweep.json(LEARNED), (sweep.cost or {}).get("trials"))


def architecture(model: Mapping[str, Any], form: str) -> str:
    """A model's settings in a few words, as `Transformer encoder, 2 layers, width 128, 4 heads`."""
    words = {**SETTINGS, "patch": PATCHES.get(form, SETTINGS["patch"])}
    there = {name: model[name] for name in words if model.get(name) is not None}
    said = [words[name].format(n) + ("s" if name in COUNTED and n != 1 else "") for name, n in there.items()]
    return ", ".join([str(model["kind"]).replace("_", " ").capitalize(), *said])


def _originals(build: Build) -> pl.DataFrame:
    """The rows that went into training and evaluation, without the copies of augmentation."""
    original = pl.col("copy") == 0
    return pl.concat([v.parquet("data.parquet").filter(original) for v in build.every("shards").values()])


def _balance(rows: pl.DataFrame, classes: int) -> dict[str, list[int]]:
    """Rows by class for each split, of the shards: normalisation may have dropped some of the clean corpus."""
    labels = {split: rows.filter(pl.col("split") == split)["label"].to_numpy() for split in SPLITS}
    return {split: np.bincount(found, minlength=classes).tolist() for split, found in labels.items()}


def _judged(build: Build, model: Version, rows: pl.DataFrame) -> tuple[TestRows, Fitted]:
    """The test rows with the model's predictions, and the baseline fitted on the training rows as they were."""
    from ops.evaluation.report import TestRows
    from ops.training.predict import predict_split

    recipe = build.recipe
    train, test = rows.filter(pl.col("split") == "train"), rows.filter(pl.col("split") == "test")
    if test.is_empty():
        raise BadData("there is no test row to judge the model on", where="report", hint="raise split.test")
    said = predict_split(model, build.every("token_cache"), "test", build.services.predictors)
    predicted = said.argmax(axis=1).astype(np.int64)
    labels = test["label"].to_numpy().astype(np.int64)
    statistics = build.one("statistics").json("statistics.json")
    train_inputs, inputs = (read_rows(part, recipe, statistics) for part in (train, test))
    baseline = recipe.evaluation.baseline.fit_predict(train_inputs, train["label"].to_numpy(), inputs)
    shown = shown_rows(test, recipe, statistics)
    return TestRows(ids=test["id"].to_list(), inputs=shown, truth=labels, predicted=predicted), baseline


def _flows(stage: str, versions: Mapping[str, Version]) -> Iterator[Flow]:
    for key, version in versions.items():
        counts = version.manifest.counts
        if counts is not None:
            yield Flow(stage=stage, partition=key, **asdict(counts))


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _with_searches(build: Build, cost: Cost) -> Cost:
    """What the training took and the searches before it, where there were such."""
    for name in (STRENGTH, SWEEP):
        if name in build.inputs:
            cost = with_search(cost, build.one(name).cost or {})
    return cost


def with_search(cost: Cost, search: Mapping[str, Any]) -> Cost:
    """The cost of a training and of a search before it together."""
    added = {"cpu_seconds": "cpu_s", "wall_seconds": "wall_s", "gpu_seconds": "gpu_s", "flops": "flops"}
    counted = {name: getattr(cost, name) for name in added if getattr(cost, name) is not None}
    more: dict[str, Any] = {name: value + float(search.get(added[name], 0.0)) for name, value in counted.items()}
    if cost.energy is not None:
        more["energy"] = _energy_with(cost.energy, search)
    return cost.model_copy(update=more)


def _energy_with(energy: Energy, search: Mapping[str, Any]) -> Energy:
    """The energy of both together: measured if all of it is."""
    found = energy.model_copy(update={"joules": round(energy.joules + search.get("joules", 0.0), 1)})
    if energy.method == "estimated" or not search.get("estimated_joules"):
        return found
    how = f"{energy.how}, and of {si(search['estimated_joules'], 'J')} in the search: {ESTIMATE}"
    return found.model_copy(update={"method": "estimated", "how": how})


def _cost(measured: dict[str, Any]) -> Cost:
    """What training measured; empty where the model was restored without its cost (by `dvc pull`)."""
    energy = measured.get("energy")
    return Cost(
        parameters=measured.get("parameters"),
        flops=measured.get("flops"),
        flops_how=measured.get("flops_how", "") if measured.get("flops") is not None else "",
        cpu_seconds=measured.get("cpu_s"),
        wall_seconds=measured.get("wall_s"),
        gpu_seconds=measured.get("gpu_s"),
        peak_bytes=measured.get("peak_rss_bytes"),
        gpu_peak_bytes=measured.get("gpu_peak_bytes"),
        energy=Energy(**energy) if energy else None,
        flops_by_torch=measured.get("flops_by_torch"),
        utilisation=measured.get("utilisation"),
        waiting=measured.get("waiting_share"),
    )


def figures(report: AnyReport) -> dict[str, float]:
    """The report's main figures by name, costs among them: what `dvc metrics diff` compares."""
    from ops.evaluation.reports import asset_metadata

    return {name: value for name, value in asset_metadata(report).items() if not isinstance(value, str)}


def _curve(points: Sequence[Point], name: str) -> str:
    """One curve as CSV. Each has a file of its own: training and validation are measured at different steps."""
    return "".join([f"step,{name}\n", *(f"{point.step},{point.value!r}\n" for point in points)])


def report_stage(fitted: bool, writes: bool = False, strength: bool = False, sweep: bool = False) -> Stage:
    """The stage, with the fold over fitted cleaning steps, the searched strength and the sweep where there are such.

    A model that writes text does so in its report, with the tokenizer.
    """
    return Stage(
        name="report",
        description="The model on the test split beside a naive guess and a classical baseline, and its cost.",
        partitioned=False,
        inputs=(
            Input("raw_corpus", every=True),
            *((Input("fitted"),) if fitted else ()),
            Input("clean_corpus", every=True),
            Input("statistics"),
            Input("shards", every=True),
            *((Input("tokenizer"),) if writes else ()),
            Input("token_cache", every=True),
            *((Input(STRENGTH),) if strength else ()),
            *((Input(SWEEP),) if sweep else ()),
            Input("model"),
        ),
        config=_config,
        keys=REPRODUCED,
        build=_build,
        modules=_modules,
    )
