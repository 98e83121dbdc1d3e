"""Dagster's home folder: made once, under a lock, with the shipped `dagster.yaml`."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

from ops.errors import StorageError
from resources.settings import Settings

SHIPPED = Path(__file__).parent / "dagster.yaml"


def prepare_home(settings: Settings) -> Path:
    """The home folder, with `dagster.yaml` and its databases made if they are missing.

    Two processes that open a new home at once race for the same tables, so the first to come makes them alone. A
    `dagster.yaml` that is there already is left as it is: it may be the team's own.

    Raises:
        StorageError: the folder cannot be made, or is a file, or may not be written.
    """
    home = settings.dagster_home
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        hint = "name another folder with SATIETY_HOME"
        raise StorageError(
            f"Dagster's home folder cannot be made: {error.strerror}", where=str(home), hint=hint
        ) from error
    try:
        _fill(home)
    except PermissionError as error:
        hint = "ask for the right to write there, or name another folder with SATIETY_HOME"
        raise StorageError(
            f"Dagster's home folder cannot be written: {error.strerror}", where=str(home), hint=hint
        ) from error
    return home


def _fill(home: Path) -> None:
    config = home / "dagster.yaml"
    ready = home / ".ready"
    with FileLock(str(home / ".lock")):
        if not config.exists():
            config.write_text(SHIPPED.read_text(encoding="utf-8"), encoding="utf-8")
        if not ready.exists():
            import dagster as dg

            with dg.DagsterInstance.from_config(str(home)) as instance:
                instance.get_run_records(limit=1)
            ready.touch()
