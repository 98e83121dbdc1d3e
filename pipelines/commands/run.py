"""`satiety run`: build what is not fresh, from the source to the report."""

from __future__ import annotations

import dataclasses
import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.options import JsonOption, PartitionOption, RecipeArgument, SetOption, StageOption

if TYPE_CHECKING:
    from ops.storage import Store
    from pipelines.execute import ExecuteResult
    from pipelines.plan import Plan
    from pipelines.recipe import Loaded
    from resources.settings import Settings


def run(
    recipe: RecipeArgument,
    overrides: SetOption = None,
    stage: StageOption = None,
    partition: PartitionOption = None,
    as_is: Annotated[
        bool, typer.Option("--as-is", help="With --stage: build from inputs that are older than the recipe, too.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and build nothing.")] = False,
    workers: Annotated[
        int | None,
        typer.Option(min=0, max=4096, help="Processes that build partitions; 0: one per core.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Build what is not fresh, from the source to the report.

    What is fresh is not touched. Ended anywhere, the same command goes on from where it was. With --stage, what
    the stage reads is not built: where it is missing or older than the recipe, the run is refused.
    """
    from ops.errors import ConfigError
    from ops.stages.raw_corpus import looking_once
    from ops.storage import Store
    from pipelines.commands import plan as plan_command
    from pipelines.console import give, say, state
    from pipelines.plan import make_plan
    from pipelines.recipe import load
    from resources.settings import load_settings

    if as_is and not stage:
        raise ConfigError("--as-is is for a run of some stages alone", hint="name them with --stage, or leave it out")
    loaded = load(recipe, overrides or ())
    settings = load_settings()
    if workers is not None:
        settings = dataclasses.replace(settings, engine=settings.engine.model_copy(update={"workers": workers}))
    state.resume = None if dry_run else loaded.command("run", *_options(stage, partition, as_is, workers))
    store = Store(settings.store)
    with looking_once():  # What the plan has hashed of the source, the run need not hash again.
        made = make_plan(loaded.recipe, store, stage, partition)
        if stage:
            _look_beneath(loaded, store, stage, partition, as_is, dry_run)
        if dry_run and as_json:
            give(plan_command.document(made, recipe))
        elif dry_run:
            plan_command.show(made)
        elif made.fresh and not _failed(store, made):
            _finish(loaded, settings, store, made, None, 0.0, as_json)
        else:
            say(plan_command.summary(made))
            started = time.monotonic()
            result = _execute(loaded, settings, stage, partition)
            _finish(loaded, settings, store, made, result, time.monotonic() - started, as_json)


def _look_beneath(
    loaded: Loaded, store: Store, stages: list[str], partitions: list[str] | None, as_is: bool, dry_run: bool
) -> None:
    """Refuse a run of some stages alone whose inputs are missing or older than the recipe; a dry run says so."""
    from ops.errors import SatietyError
    from pipelines.beneath import beneath
    from pipelines.console import say

    found = beneath(loaded.recipe, store, stages, partitions)
    try:
        found.check(loaded, as_is=as_is)
    except SatietyError as error:
        if not dry_run:
            raise
        say(f"note: {error}")
    else:
        if found.older:
            say(f"note: {found.names(found.older)}: older than the recipe, taken as it is")


def _execute(
    loaded: Loaded, settings: Settings, stages: list[str] | None, partitions: list[str] | None
) -> ExecuteResult:
    from pipelines.execute import execute
    from pipelines.progress import following

    with following() as on_event:
        return execute(loaded.recipe, stages=stages, partitions=partitions, settings=settings, on_event=on_event)


def _failed(store: Store, plan: Plan) -> bool:
    """Whether the report at the chain's end did not pass its check: it is there, but the run has to fail once more.

    A check before the end keeps what follows from being built, and the plan from being fresh.
    """
    if all(item.stage != "report" for item in plan.items):
        return False
    version = store.slot(plan.recipe, "report").current()
    return version is not None and version.manifest.facts.get("outcome") == "useless"


def _options(stages: list[str] | None, partitions: list[str] | None, as_is: bool, workers: int | None) -> list[str]:
    options = [word for name in stages or () for word in ("--stage", name)]
    options += [word for key in partitions or () for word in ("--partition", key)]
    options += ["--as-is"] if as_is else []
    return [*options, "--workers", str(workers)] if workers is not None else options


def _finish(
    loaded: Loaded,
    settings: Settings,
    store: Store,
    plan: Plan,
    result: ExecuteResult | None,
    elapsed: float,
    as_json: bool,
) -> None:
    """Say what was done and where to look."""
    from pipelines.console import give, say, seconds, tell

    report = report_file(store, loaded.recipe.name)
    built, reused = (result.built, result.reused) if result else ([], [])
    if as_json:
        give(
            {
                "recipe": loaded.recipe.name,
                "changed": result is not None,
                "built": built,
                "reused": reused,
                "run_id": result.run_id if result else None,
                "seconds": round(elapsed, 3),
                "report": str(report) if report else None,
                "store": str(settings.store),
            }
        )
        return
    if result is None:
        say(f"{loaded.recipe.name}: nothing has changed, all {len(plan.items)} results are fresh")
    else:
        kept = f", {len(reused)} reused" if reused else ""
        say(f"{loaded.recipe.name}: {len(built)} built{kept} in {seconds(elapsed)}")
    if report and (result is None or "report[all]" in (*built, *reused)):  # else it tells of an older model
        _headline(store, loaded.recipe.name)
        tell(f"report     {report}")
    pages = settings.pages
    command = f"{_folder(loaded)}satiety ui"
    tell(f"web pages  {command}  (Dagster {_url(pages.dagster_port)}, MLflow {_url(pages.mlflow_port)})")


def _folder(loaded: Loaded) -> str:
    """What goes before `satiety ui` so that a recipe that was asked for by its path is in Dagster's page, too."""
    from pipelines.recipe import FOLDERS_VARIABLE, recipes, user_folders

    path = loaded.path.absolute()
    if path in (known.absolute() for known in recipes().values()) or path.stem != loaded.recipe.name:
        return ""
    folders = os.pathsep.join([*map(str, user_folders()), str(path.parent)])
    return f"{FOLDERS_VARIABLE}={shlex.quote(folders)} "


def _headline(store: Store, recipe: str) -> None:
    from pipelines.console import say

    version = store.slot(recipe, "report").current()
    facts: dict[str, Any] = version.manifest.facts if version else {}
    if facts.get("headline"):
        say(str(facts["headline"]))


def report_file(store: Store, recipe: str) -> Path | None:
    """The report in use, at the path that stays the same from version to version; None where there is none."""
    slot = store.slot(recipe, "report")
    path = slot.path / "current" / "report.html"
    return path if slot.current() is not None and path.is_file() else None


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"
