"""Looking for what breaks this stack on other people's machines; each finding comes with its fix."""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ops.errors import ConfigError, SatietyError

if TYPE_CHECKING:
    from resources.settings import Settings

Status = Literal["ok", "warn", "fail"]
PYTHON = (3, 11)
PACKAGES: tuple[tuple[str, str, str], ...] = (
    ("torch", "==2.13.0", "the tested version; named exactly, pip brings the CPU build and no CUDA packages"),
    ("dagster", ">=1.13.27,<1.14", "the tested line"),
    ("dagster-webserver", ">=1.13.27,<1.14", "must be of Dagster's own version"),
    ("mlflow", ">=3.17,<4", "the tested line"),
    ("dvc", ">=3.67,<4", "the tested line"),
    ("antlr4-python3-runtime", "==4.13.2", "DVC's hydra pulls 4.9, with which Dagster cannot read a selection"),
    ("hydra-core", "==1.4.0rc3", "the first that accepts antlr 4.13"),
    ("omegaconf", "==2.4.1rc1", "the first that accepts antlr 4.13"),
    ("typer", ">=0.25,<0.26", "0.26 and later leave `dg --help` empty"),
    ("albumentations", "==2.0.8", "no longer maintained; only this version is tested"),
    ("pyarrow", ">=25,<26", "mlflow 3.17 refuses 26"),
    ("polars", ">=2.1,<3", "the tested line"),
    ("pydantic", ">=2.12,<3", "the tested line"),
    ("safetensors", ">=0.7,<1", "the tested line"),
    ("tokenizers", ">=0.22,<1", "the tested line"),
)
VARIABLES = (
    "STORE",
    "HOME",
    "DOWNLOADS",
    "WORKERS",
    "ENGINE",
    "ENGINE_ADDRESS",
    "TRACKING",
    "RECIPES",
    "MIRROR",
    "FAULT",
    "FAULT_LOG",
)
OWN = {"assets", "benchmarks", "ops", "pipelines", "resources", "tests"}
LITTLE_SPACE, TOO_LITTLE_SPACE = 5_000_000_000, 500_000_000


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: the check.
        status: `ok`, `warn` (it may hurt) or `fail` (it will).
        detail: what was found.
        fix: what to do; empty where all is well.
    """

    name: str
    status: Status
    detail: str
    fix: str = ""


Check = Callable[["Settings"], Finding]


def examine() -> list[Finding]:
    """Run all checks, those that start processes beside the others."""
    from resources.settings import load_settings

    try:
        settings = load_settings()
    except ConfigError as error:
        return [Finding("settings", "fail", str(error), "correct params.yaml or the variable"), *_without_settings()]
    with ThreadPoolExecutor(len(SLOW)) as pool:
        running = [pool.submit(check, settings) for check in SLOW]
        quick = [check(settings) for check in QUICK]
        return [*_without_settings(), *quick, *(future.result() for future in running)]


def _without_settings() -> list[Finding]:
    return [
        python(),
        packages(),
        torch_build(),
        weights_only(),
        variables(),
        threads(),
        shadows(Path.cwd()),
        open_files(),
    ]


def python() -> Finding:
    """Python is new enough."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON:
        return Finding("python", "fail", found, "make the virtual environment with Python 3.11 or later")
    return Finding("python", "ok", f"{found} at {sys.executable}")


def packages() -> Finding:
    """The packages whose versions matter are there in those versions."""
    from packaging.specifiers import SpecifierSet

    wrong, commands = [], []
    for name, wanted, why in PACKAGES:
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "missing"
        # A local part (2.13.0+cpu) is another build of the same version.
        if found == "missing" or not SpecifierSet(wanted).contains(found.split("+")[0], prereleases=True):
            wrong.append(f"{name} is {found}, not {wanted} ({why})")
            commands.append(f"{name}{wanted}")
    if wrong:
        return Finding(
            "packages", "fail", "; ".join(wrong), shlex.join([sys.executable, "-m", "pip", "install", *commands])
        )
    return Finding("packages", "ok", f"{len(PACKAGES)} versions as tested")


def torch_build() -> Finding:
    """No gigabytes of CUDA on a machine without a GPU."""
    names = sorted({str(d.metadata["Name"]) for d in distributions() if str(d.metadata["Name"]).startswith("nvidia-")})
    gpu = Path("/proc/driver/nvidia/version").exists() or Path("/dev/nvidiactl").exists()
    try:
        found = version("torch")
    except PackageNotFoundError:
        return Finding("torch", "fail", "missing", "pip install torch==2.13.0")
    if names and not gpu:
        fix = shlex.join([sys.executable, "-m", "pip", "uninstall", "-y", *names])
        return Finding("torch", "warn", f"{found} with {len(names)} CUDA packages, but there is no GPU", fix)
    return Finding("torch", "ok", f"{found}, {'a GPU is there' if gpu else 'CPU'}")


def weights_only() -> Finding:
    """Nobody has switched off the safe way of reading weights."""
    name = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
    if os.environ.get(name, "").lower() in ("1", "y", "yes", "true"):
        return Finding("safe loading", "fail", f"{name} lets model files run code", f"unset {name}")
    return Finding("safe loading", "ok", "weights are read without running code")


def variables() -> Finding:
    """`SATIETY_*` variables are ones that something reads."""
    from pipelines.problems import advice
    from pipelines.recipe import user_folders

    known = [f"SATIETY_{name}" for name in VARIABLES]
    unknown = sorted(name for name in os.environ if name.startswith("SATIETY_") and name not in known)
    if unknown:
        return Finding("variables", "warn", f"nothing reads {', '.join(unknown)}", advice(unknown[0], known, "known"))
    missing = [str(folder) for folder in user_folders() if not folder.is_dir()]
    if missing:
        return Finding("variables", "fail", f"SATIETY_RECIPES: no folder {missing[0]}", "correct SATIETY_RECIPES")
    if os.environ.get("SATIETY_FAULT"):
        return Finding("variables", "warn", "SATIETY_FAULT plants faults in the store", "unset SATIETY_FAULT")
    return Finding("variables", "ok", f"{sum(name in os.environ for name in known)} of SATIETY_* are set")


def threads() -> Finding:
    """No more threads than cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    value = os.environ.get("OMP_NUM_THREADS")
    if value is None:
        return Finding("threads", "ok", f"{cores} cores; training uses launch.threads of the recipe")
    if not value.isdigit() or int(value) < 1:
        return Finding("threads", "warn", f"OMP_NUM_THREADS={value} is no number of threads", "unset OMP_NUM_THREADS")
    if int(value) > cores:
        detail = (
            f"OMP_NUM_THREADS={value} on {cores} cores: threads that wait for each other cost many times their work"
        )
        return Finding("threads", "warn", detail, f"export OMP_NUM_THREADS={cores}")
    return Finding("threads", "ok", f"OMP_NUM_THREADS={value} on {cores} cores")


def shadows(folder: Path) -> Finding:
    """No module in the working folder hides an installed package: `gql.py` there breaks Dagster's own import."""
    from importlib.metadata import packages_distributions

    taken = (set(packages_distributions()) | set(sys.stdlib_module_names)) - OWN
    modules = [path for path in folder.glob("*.py") if path.stem in taken and path.stem != "setup"]
    modules += [path.parent for path in folder.glob("*/__init__.py") if path.parent.name in taken]
    if modules:
        names = ", ".join(sorted(path.name for path in modules))
        return Finding("shadowed packages", "fail", f"{names} in {folder} hide installed packages", f"rename {names}")
    return Finding("shadowed packages", "ok", f"nothing in {folder} hides a package")


def open_files() -> Finding:
    """Enough open files for servers and workers."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < 1024:
        return Finding("open files", "warn", f"limit {soft}", "ulimit -n 4096")
    return Finding("open files", "ok", f"limit {soft if soft != resource.RLIM_INFINITY else 'none'}")


def disk(settings: Settings) -> Finding:
    """There is room for results."""
    place = next(path for path in (settings.store, *settings.store.parents) if path.exists())
    free = shutil.disk_usage(place).free
    detail = f"{free / 1e9:.1f} GB free for {settings.store}"
    fix = "satiety gc --delete, or name another folder with SATIETY_STORE"
    if free < TOO_LITTLE_SPACE:
        return Finding("disk space", "fail", detail, fix)
    return Finding("disk space", "warn", detail, fix) if free < LITTLE_SPACE else Finding("disk space", "ok", detail)


def store(settings: Settings) -> Finding:
    """The store's folder can be written, and has hard links."""
    place = next(path for path in (settings.store, *settings.store.parents) if path.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        fix = f"chmod u+rwx {shlex.quote(str(place))}, or name another folder with SATIETY_STORE"
        return Finding("store", "fail", f"{place} cannot be written", fix)
    if not _hard_links(place):
        detail = f"{place} has no hard links: each result in use is stored twice"
        return Finding("store", "warn", detail, "name a folder on another file system with SATIETY_STORE")
    return Finding("store", "ok", f"{settings.store} can be written")


def _hard_links(folder: Path) -> bool:
    import tempfile

    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder) as scratch:
        first, second = Path(scratch, "first"), Path(scratch, "second")
        first.touch()
        try:
            second.hardlink_to(first)
        except OSError:
            return False
        return True


def dagster_home(settings: Settings) -> Finding:
    """Dagster's home can be made or written, and its file does not contradict itself."""
    named = os.environ.get("DAGSTER_HOME")
    home = settings.dagster_home
    if named and Path(named) != home:
        detail = f"DAGSTER_HOME={named} is not used; satiety's is {home}"
        return Finding("dagster home", "warn", detail, "unset DAGSTER_HOME, or set SATIETY_HOME")
    place = next(path for path in (home, *home.parents) if path.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Finding("dagster home", "fail", f"{place} cannot be written", "name another folder with SATIETY_HOME")
    config = home / "dagster.yaml"
    text = config.read_text("utf-8", "replace").splitlines() if config.is_file() else []
    if {"run_queue:", "concurrency:"} <= {line.split("#")[0].rstrip() for line in text}:
        return Finding("dagster home", "fail", f"{config} has run_queue beside concurrency", "move run_queue below it")
    return Finding("dagster home", "ok", f"{home} can be written")


def ports(settings: Settings) -> Finding:
    """The ports of the web pages are free."""
    taken = []
    for port in (settings.pages.dagster_port, settings.pages.mlflow_port):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                taken.append(port)
    if taken:
        detail = f"{', '.join(map(str, taken))} taken; that is right if `satiety ui` is running"
        return Finding("ports", "warn", detail, "satiety ui --port … --mlflow-port …, or pages in params.yaml")
    return Finding("ports", "ok", f"{settings.pages.dagster_port} and {settings.pages.mlflow_port} are free")


def tracking(settings: Settings) -> Finding:
    """The tracking server answers, if there is one; nothing else here needs a network."""
    from urllib.parse import urlsplit

    address = urlsplit(settings.tracking_uri)
    if not settings.tracking.enabled or address.scheme not in ("http", "https"):
        return Finding("network", "ok", "not needed")
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), timeout=2).close()
    except OSError as error:
        detail = f"MLflow at {address.hostname}:{port} does not answer ({error}); trainings run, their records wait"
        return Finding("network", "warn", detail, "start the server, then satiety sync")
    return Finding("network", "ok", f"MLflow at {address.hostname}:{port} answers; nothing else is needed")


def engine(settings: Settings) -> Finding:
    """The engine can be reached, and its workers have the same software and see the store."""
    from resources.engine import open_engine
    from resources.store import open_store

    kind = settings.engine.kind
    try:
        found = open_engine(settings.engine, open_store(settings).root if kind != "local" else None).check()
    except SatietyError as error:
        return Finding("engine", "fail", f"{kind}: {error.where}: {error.message}", error.hint or "engine.kind: local")
    return Finding("engine", "ok", found)


def recipe_files(settings: Settings) -> Finding:
    """Every recipe that can be run by name is right."""
    from pipelines.recipe import load, recipes

    wrong = []
    for name in recipes():
        try:
            load(name)
        except SatietyError as error:
            wrong.append(f"{name}: {str(error).splitlines()[0]}")
    if wrong:
        return Finding("recipes", "fail", "; ".join(wrong), f"satiety plan {wrong[0].split(':')[0]} shows all problems")
    return Finding("recipes", "ok", ", ".join(recipes()))


def selection(settings: Settings) -> Finding:
    """Dagster can read a selection of assets; with a wrong antlr it cannot, and every launch dies."""
    code = "import dagster as dg; dg.AssetSelection.from_string('key:a or +key:b')"
    error = _try(code)
    if error:
        pins = [f"{name}{wanted}" for name, wanted, _ in PACKAGES if name.startswith(("antlr4", "hydra", "omegaconf"))]
        fix = shlex.join([sys.executable, "-m", "pip", "install", *pins])
        return Finding("dagster", "fail", f"cannot read a selection of assets: {error}", fix)
    return Finding("dagster", "ok", "reads a selection of assets")


def augmentation(settings: Settings) -> Finding:
    """albumentations can be imported through our module, which keeps it off the network and bounds image sizes."""
    code = (
        "import os; from ops.augmentation import engine; engine._albumentations(); "
        "assert os.environ['NO_ALBUMENTATIONS_UPDATE'] == '1' and os.environ['OPENCV_IO_MAX_IMAGE_PIXELS']"
    )
    error = _try(code)
    if error:
        fix = shlex.join([sys.executable, "-m", "pip", "install", "albumentations==2.0.8", "opencv-python-headless"])
        return Finding("albumentations", "fail", f"cannot be imported: {error}", fix)
    return Finding("albumentations", "ok", "can be imported, asks no network")


def _try(code: str) -> str:
    """Run Python code in a process of its own; its last line of errors, empty if all went well."""
    root = Path(__file__).parents[1]
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PYTHONPATH": path},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = done.stderr.strip().splitlines()
    return "" if done.returncode == 0 else (lines[-1] if lines else f"exit code {done.returncode}")


QUICK: tuple[Check, ...] = (disk, store, dagster_home, ports, tracking, recipe_files, engine)
SLOW: tuple[Check, ...] = (selection, augmentation)
