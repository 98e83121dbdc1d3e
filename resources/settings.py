"""The settings of this machine: `params.yaml`, overridden by environment variables."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from ops.config import Config
from ops.errors import ConfigError

FILE = "params.yaml"
VARIABLES = (
    "SATIETY_STORE",
    "SATIETY_HOME",
    "SATIETY_DOWNLOADS",
    "SATIETY_WORKERS",
    "SATIETY_ENGINE",
    "SATIETY_ENGINE_ADDRESS",
    "SATIETY_TRACKING",
    "MLFLOW_TRACKING_URI",
)
"""The environment variables that are read; each comes before the file."""
SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql", "databricks")
"""What an address of MLflow may begin with; its folder store is no longer there since version 3."""
ENGINES = ("local", "dask", "ray")


class EngineSettings(Config):
    """Where partitions are mapped."""

    kind: Literal["local", "dask", "ray"] = "local"
    """`local`: processes of this machine; `dask` and `ray`: a cluster, which must see the store's folder."""
    address: str | None = None
    """Where the cluster is: `tcp://host:8786` of a Dask scheduler, `host:6379` of a Ray cluster's head."""
    workers: Annotated[int, Field(ge=0, le=4096)] = 0
    """Partitions at the same time, each with one core; 0 means as many as there are cores."""


class TrackingSettings(Config):
    """How trainings are recorded in MLflow."""

    enabled: bool = True
    """Whether trainings are recorded at all."""
    uri: str | None = None
    """MLflow's address; by default the SQLite database in `home`."""
    interval_s: Annotated[float, Field(gt=0)] = 3.0
    """Seconds between two batches of metrics."""
    wait_s: Annotated[float, Field(ge=0)] = 60.0
    """Seconds that the end of a training waits for MLflow; what is missing then is sent by the next training."""


class PageSettings(Config):
    """The web pages on loopback."""

    dagster_port: Annotated[int, Field(ge=1, le=65535)] = 3000
    """Port of Dagster's page."""
    mlflow_port: Annotated[int, Field(ge=1, le=65535)] = 5000
    """Port of MLflow's page."""


class Params(Config):
    """What `params.yaml` may say."""

    store: str = "store"
    """Folder of all results."""
    home: str = ".satiety"
    """Folder of what is this machine's own: Dagster's instance, MLflow's database, the tracking journal."""
    downloads: str | None = None
    """Folder of downloaded sources; by default `downloads` in `home`."""
    engine: EngineSettings = EngineSettings()
    """Where partitions are mapped."""
    tracking: TrackingSettings = TrackingSettings()
    """How trainings are recorded in MLflow."""
    pages: PageSettings = PageSettings()
    """The web pages on loopback."""


@dataclass(frozen=True)
class Settings:
    """The settings in force, with absolute paths.

    Attributes:
        root: folder of `params.yaml`, or the working folder where there is none.
        store: folder of all results.
        home: folder of what is this machine's own.
        named_downloads: folder of downloaded sources, where it is not the one in `home`.
        engine: where partitions are mapped.
        tracking: how trainings are recorded.
        pages: ports of the web pages.
    """

    root: Path
    store: Path
    home: Path
    engine: EngineSettings = field(default_factory=EngineSettings)
    tracking: TrackingSettings = field(default_factory=TrackingSettings)
    pages: PageSettings = field(default_factory=PageSettings)
    named_downloads: Path | None = None

    @property
    def downloads(self) -> Path:
        """Folder of downloaded sources."""
        return self.named_downloads or self.home / "downloads"

    def export(self) -> None:
        """Set the variable by which the sources, in this process and its workers, know the folder of downloads."""
        os.environ["SATIETY_DOWNLOADS"] = str(self.downloads)

    @property
    def dagster_home(self) -> Path:
        """Folder of Dagster's instance."""
        return self.home / "dagster"

    @property
    def mlflow_database(self) -> Path:
        """MLflow's default database."""
        return self.home / "mlflow" / "mlflow.db"

    @property
    def journals(self) -> Path:
        """Folder of the tracking journals."""
        return self.home / "tracking"

    @property
    def tracking_uri(self) -> str:
        """MLflow's address; it may hold a password, so show `redact(…)` of it only."""
        return self.tracking.uri or f"sqlite:///{self.mlflow_database}"


def load_settings(folder: Path | None = None, env: Mapping[str, str] | None = None) -> Settings:
    """The settings for a working folder: the nearest `params.yaml` at or above it, then the environment.

    Args:
        folder: where to look; the working folder by default.
        env: the environment; the process's by default.

    Raises:
        ConfigError: all problems of the file at once, or of a variable.
    """
    here = (folder or Path.cwd()).resolve()
    env = os.environ if env is None else env
    file = next((place / FILE for place in (here, *here.parents) if (place / FILE).is_file()), None)
    params = read_params(file) if file else Params()
    root = file.parent if file else here
    engine = params.engine.model_copy(update=_engine(env))
    tracking = params.tracking.model_copy(update=_tracking(env))
    if tracking.uri is not None and tracking.uri.split(":", 1)[0].split("+", 1)[0] not in SCHEMES:
        raise ConfigError(
            f"cannot use this address of MLflow; it should begin with one of {', '.join(SCHEMES)}",
            where="MLFLOW_TRACKING_URI" if env.get("MLFLOW_TRACKING_URI") else f"{file}: tracking.uri",
        )
    return Settings(
        root=root,
        store=_path(env.get("SATIETY_STORE"), here, params.store, root),
        home=_path(env.get("SATIETY_HOME"), here, params.home, root),
        engine=engine,
        tracking=tracking,
        pages=params.pages,
        named_downloads=_downloads(env, here, params, root),
    )


def _downloads(env: Mapping[str, str], here: Path, params: Params, root: Path) -> Path | None:
    named = env.get("SATIETY_DOWNLOADS")
    if not named and params.downloads is None:
        return None
    return _path(named, here, params.downloads or "", root)


def read_params(path: Path) -> Params:
    """Read and check a `params.yaml`; an empty one is all defaults.

    Raises:
        ConfigError: it is no YAML, or says something that is not allowed; all problems in one message.
    """
    import yaml

    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_strict_loader())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", where=str(path)) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise ConfigError(str(getattr(error, "problem", error)), where=place) from error
    try:
        return Params.model_validate({} if content is None else content)
    except ValidationError as error:
        problems = "; ".join(_problem(item) for item in error.errors(include_url=False))
        raise ConfigError(problems, where=str(path), hint="each key is described in the file that ships") from error


def _strict_loader() -> Any:
    """PyYAML's safe loader that refuses a key that is there twice."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            seen: set[Any] = set()
            for key, _ in node.value:
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {key.value!r} is there twice", key.start_mark
                    )
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    return Loader


def _problem(item: Any) -> str:
    path = ".".join(str(part) for part in item["loc"]) or "the file"
    if item["type"] != "extra_forbidden":
        return f"{path}: {item['msg']}"
    model: Any = Params
    for part in item["loc"][:-1]:
        model = model.model_fields[part].annotation
    near = difflib.get_close_matches(str(item["loc"][-1]), list(model.model_fields), n=1, cutoff=0.0)
    return f"{path}: there is no such key; the nearest is {near[0]!r}"


def _engine(env: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    workers, kind = env.get("SATIETY_WORKERS", ""), env.get("SATIETY_ENGINE", "")
    if workers:
        if not workers.isascii() or not workers.isdigit() or int(workers) > 4096:
            raise ConfigError(
                f"not a number of processes: {workers!r}", where="SATIETY_WORKERS", hint="0 means one per core"
            )
        found["workers"] = int(workers)
    if kind:
        if kind not in ENGINES:
            raise ConfigError(f"no engine: {kind!r}", where="SATIETY_ENGINE", hint=f"one of {', '.join(ENGINES)}")
        found["kind"] = kind
    if env.get("SATIETY_ENGINE_ADDRESS"):
        found["address"] = env["SATIETY_ENGINE_ADDRESS"]
    return found


def _tracking(env: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    switch = env.get("SATIETY_TRACKING", "")
    if switch:
        if switch not in ("on", "off"):
            raise ConfigError(f"neither on nor off: {switch!r}", where="SATIETY_TRACKING")
        found["enabled"] = switch == "on"
    if env.get("MLFLOW_TRACKING_URI"):
        found["uri"] = env["MLFLOW_TRACKING_URI"]
    return found


def _path(variable: str | None, here: Path, setting: str, root: Path) -> Path:
    chosen = here / Path(variable).expanduser() if variable else root / Path(setting).expanduser()
    return Path(os.path.normpath(chosen))
