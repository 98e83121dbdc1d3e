"""Running a recipe's job in this process, with Dagster's records kept where the web page finds them."""

from __future__ import annotations

import logging
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg

from assets.factory import RANGE_END, RANGE_START, asset_key
from ops.errors import CheckFailed, ConfigError, DiskFull, Interrupted, SatietyError, StorageError
from ops.recipe import Recipe
from pipelines import abandoned
from pipelines.build import recipe_definitions, shared_definitions
from pipelines.home import prepare_home
from pipelines.interrupts import recorded_as_canceled
from pipelines.signals import Signals
from resources.progress import Event, listening
from resources.settings import Settings

ROOM = 1 << 20
"""Bytes that one write of SQLite may ask for; with less left, its I/O errors are a full disk."""


@dataclass
class ExecuteResult:
    """What a run did.

    Attributes:
        run_id: Dagster's id of the run (of the last one, where the partitions asked for are not neighbours).
        built: `stage[partition]` of everything that was built.
        reused: the same of everything that was there already.
    """

    run_id: str
    built: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)


def execute(
    recipe: Recipe,
    *,
    stages: list[str] | None = None,
    partitions: list[str] | None = None,
    settings: Settings,
    on_event: Callable[[Event], None] = lambda event: None,
) -> ExecuteResult:
    """Run the recipe's main job, or only the named stages, over all partitions or only the named ones.

    Raises:
        SatietyError: the error of the stage that failed, as the stage raised it.
        Interrupted: a signal ended the run and whoever handles it did not raise; what was committed stays.
    """
    with _full_disks_named(settings.home):
        return _execute(recipe.as_of_now(), stages, partitions, settings, on_event)


def _execute(
    recipe: Recipe,
    stages: list[str] | None,
    partitions: list[str] | None,
    settings: Settings,
    on_event: Callable[[Event], None],
) -> ExecuteResult:
    home = prepare_home(settings)
    os.environ["DAGSTER_HOME"] = str(home)
    # The command line shows progress itself; the run's full log is in the web page.
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    result = ExecuteResult(run_id="")

    def follow(event: Event) -> None:
        if event.what == "partition":
            kept = result.built if event.data["built"] else result.reused
            kept.append(f"{event.stage}[{event.data['key']}]")
        on_event(event)

    definitions = dg.Definitions.merge(recipe_definitions(recipe, settings), shared_definitions(settings))
    with dg.DagsterInstance.get() as instance, listening(follow):
        abandoned.clear(instance, home)
        for tags in _ranges(recipe, partitions):
            result.run_id = str(uuid.uuid4())
            with abandoned.alive(home, result.run_id):
                _run(definitions, recipe, stages, tags, instance, result.run_id)
    return result


def _run(
    definitions: dg.Definitions,
    recipe: Recipe,
    names: list[str] | None,
    tags: dict[str, str],
    instance: dg.DagsterInstance,
    run_id: str,
) -> None:
    """One run of the job."""
    chosen = None if names is None else [asset_key(recipe, name) for name in names]
    job = definitions.resolve_job_def(recipe.name)
    with Signals() as signals, recorded_as_canceled():
        try:
            job.execute_in_process(
                instance=instance,
                asset_selection=chosen,
                run_id=run_id,
                tags={**tags, "satiety/recipe": recipe.name},
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                raise_on_error=True,
            )
        except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError) as error:
            signals.raise_again()
            raise Interrupted("interrupted; what was committed is kept", where=recipe.name) from error
        except Exception as error:
            known = _cause(error) or _failed_check(instance, run_id)
            if known is None:
                raise
            raise known from error


def _failed_check(instance: dg.DagsterInstance, run_id: str) -> CheckFailed | None:
    """The check that kept the run from going on, with what it found."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    for record in records:
        event = record.event_log_entry.dagster_event
        found = event.asset_check_evaluation_data if event is not None else None
        if found is not None and not found.passed:
            values = ", ".join(f"{name} {_shown(value.value)}" for name, value in found.metadata.items())
            where = found.asset_key.to_user_string()
            return CheckFailed(f"the check {found.check_name} did not pass: {values}", where=where)
    return None


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _cause(error: BaseException) -> SatietyError | None:
    """The error of ours that Dagster has wrapped, if there is one."""
    return next((found for found in _behind(error) if isinstance(found, SatietyError)), None)


def _behind(error: BaseException) -> Iterator[BaseException]:
    """The error and those behind it, each once: Dagster's causes go in circles where a step raised a foreign error."""
    seen: set[int] = set()
    behind: BaseException | None = error
    while behind is not None and id(behind) not in seen:
        seen.add(id(behind))
        yield behind
        behind = behind.__cause__ or behind.__context__


@contextmanager
def _full_disks_named(home: Path) -> Iterator[None]:
    """Raise `DiskFull` where Dagster's databases have no space: SQLite says so in words of its own."""
    try:
        yield
    except SatietyError:
        raise
    except Exception as error:
        said = [str(found) for found in _behind(error)]
        full = any("database or disk is full" in text or "No space left on device" in text for text in said)
        # What SQLite cannot do for lack of space it also calls an I/O error.
        full |= any("disk I/O error" in text for text in said) and shutil.disk_usage(home).free < ROOM
        if not full:
            _raise_limited(said, home, error)
            raise
        hint = "make room, or name another folder with SATIETY_HOME; what was committed is kept"
        raise DiskFull("no space left for Dagster's databases", where=str(home), hint=hint) from error


def _raise_limited(said: list[str], home: Path, error: Exception) -> None:
    """Raise what it is where SQLite says that it may not write, or cannot for a limit of this process."""
    if any("attempt to write a readonly database" in text for text in said):
        hint = "ask for the right to write there, or name another folder with SATIETY_HOME"
        raise StorageError("Dagster's databases may not be written", where=str(home), hint=hint) from error
    if any("disk I/O error" in text for text in said):
        hint = "look at `ulimit -f`, which limits the size of files, and at the disk"
        raise StorageError(
            "Dagster's databases cannot be written: disk I/O error", where=str(home), hint=hint
        ) from error


def _ranges(recipe: Recipe, partitions: list[str] | None) -> list[dict[str, str]]:
    """Run tags for the partitions: one run over all, or one for each stretch of neighbours."""
    keys = recipe.partition_keys()
    unknown = sorted(set(partitions or ()) - set(keys))
    if unknown:
        raise ConfigError(f"{recipe.name} has no partition {unknown[0]!r}", hint=f"it has {', '.join(keys)}")
    wanted = [key in partitions for key in keys] if partitions else [True] * len(keys)
    stretches: list[list[str]] = []
    for index, key in enumerate(keys):
        if wanted[index]:
            if index and wanted[index - 1]:
                stretches[-1].append(key)
            else:
                stretches.append([key])
    return [{RANGE_START: stretch[0], RANGE_END: stretch[-1]} for stretch in stretches]
