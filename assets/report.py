"""The asset `report`, with the check that the model is better than always guessing the most frequent class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.factory import stage_asset
from assets.look import Check, Look, Verdict, Versions
from ops.recipe import Recipe
from ops.stages.report import report_stage
from resources.workspace import Workspace


def _report(versions: Versions) -> Any:
    from ops.evaluation.schema import Report

    return Report.model_validate_json(next(iter(versions.values())).file("report.json").read_bytes())


def _better_than_majority(recipe: Recipe, versions: Versions) -> Verdict:
    report = _report(versions)
    difference = next(d for d in report.differences if d.role == "majority")
    low, high = difference.accuracy.low, difference.accuracy.high
    return Verdict(low > 0, {"difference_in_accuracy": difference.accuracy.value, "low": low, "high": high})


def _metadata(recipe: Recipe, versions: Versions) -> dict[str, Any]:
    from ops.evaluation.summary import asset_metadata, markdown

    report = _report(versions)
    (version,) = versions.values()
    return {
        "report": dg.MetadataValue.path(str(version.path / "report.html")),
        "summary": dg.MetadataValue.md(markdown(report)),
        **asset_metadata(report),
    }


LOOK = Look(
    frozenset({"html", "scikitlearn"}),
    (
        Check(
            "better_than_majority",
            "On the test split, the 95% interval of the lead over the majority class is above zero.",
            _better_than_majority,
        ),
    ),
    _metadata,
)


def _judge(workspace: Workspace, recipe: Recipe, versions: Versions, checks: Mapping[str, bool]) -> dict[str, Any]:
    """Tell MLflow how the model did on the test split; with all checks passed it becomes the champion."""
    from ops.stages.report import figures

    (version,) = versions.values()
    trained = workspace.store().slot(recipe.name, "model").current()
    if trained is None or trained.digest != version.manifest.inputs["input.model[all]"]:
        return {}
    tracker = workspace.tracker()
    named = {f"test_{name}": passed for name, passed in checks.items()}
    fingerprint = trained.manifest.fingerprint
    tracker.judge(recipe.name, fingerprint, figures(_report(versions)), named)
    tracker.sync_pending()
    link = tracker.link(recipe.name, fingerprint)
    return {"mlflow": dg.MetadataValue.url(link)} if link is not None else {}


def report(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of the model's judgement."""
    return stage_asset(recipe, report_stage(bool(recipe.fitting)), LOOK, after=_judge)
