"""The asset `report`, with the check that the model is better than a naive guess."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg

from assets.factory import stage_asset
from assets.look import Check, Look, Verdict, Versions
from ops.recipe import Recipe
from ops.stages.chain import stage_named
from resources.workspace import Workspace

_RIVALS = {"majority": "the majority class", "unigram": "the tokens' frequencies"}


def _report(versions: Versions) -> Any:
    from ops.evaluation.reports import read_report

    return read_report(next(iter(versions.values())).file("report.json").read_bytes())


def _better_than_rival(recipe: Recipe, versions: Versions) -> Verdict:
    from ops.evaluation.reports import lead

    found = lead(_report(versions))
    return Verdict(found.low > 0, {found.metric: found.value, "low": found.low, "high": found.high})


def _metadata(recipe: Recipe, versions: Versions) -> dict[str, Any]:
    from ops.evaluation.reports import asset_metadata, markdown

    report = _report(versions)
    (version,) = versions.values()
    return {
        "report": dg.MetadataValue.path(str(version.path / "report.html")),
        "summary": dg.MetadataValue.md(markdown(report)),
        **asset_metadata(report),
    }


def look(recipe: Recipe) -> Look:
    """Icons, checks and metadata; what the model has to beat is the task's to say."""
    rival = _RIVALS.get(recipe.task.rival, recipe.task.rival)
    said = f"On the test split, the 95% interval of the lead over {rival} is above zero."
    better = Check(f"better_than_{recipe.task.rival}", said, _better_than_rival)
    return Look(frozenset({"html", "scikitlearn"}), (better,), _metadata)


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
    return stage_asset(recipe, stage_named(recipe, "report"), look(recipe), after=_judge)
