"""The declared dependencies against the imports, the pins against the ranges, and `make` where set-up fails."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PACKAGES = ("assets", "ops", "pipelines", "resources")
NOT_IMPORTED = {
    "antlr4-python3-runtime": "pinned for DVC and Dagster to agree",
    "hydra-core": "pinned for DVC and Dagster to agree",
    "omegaconf": "pinned for DVC and Dagster to agree",
    "dagster-dg-cli": "the program dg",
    "dagster-graphql": "used by the web server",
    "dagster-webserver": "the program dagster-webserver",
    "dvc": "the program dvc",
}


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return project


def _pins() -> list[str]:
    return [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]


def _imported(folder: Path) -> set[str]:
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names.update(alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    return names


def test_every_import_is_declared_and_every_declaration_used() -> None:
    imported = set.union(*(_imported(ROOT / package) for package in PACKAGES)) - set(PACKAGES) - sys.stdlib_module_names
    providers = packages_distributions()
    unknown = imported - providers.keys()
    assert not unknown, f"imported and not installed: {sorted(unknown)}"
    declared = {canonicalize_name(Requirement(text).name) for text in _project()["dependencies"]}
    provided = {name: {canonicalize_name(dist) for dist in providers[name]} for name in imported}
    undeclared = {name for name, distributions in provided.items() if not distributions & declared}
    assert not undeclared, f"imported and not in pyproject.toml: {sorted(undeclared)}"
    unused = declared - set().union(*provided.values()) - NOT_IMPORTED.keys()
    assert not unused, f"in pyproject.toml and nowhere imported: {sorted(unused)}"


def test_the_pins_are_exact_sorted_and_within_the_declared_ranges() -> None:
    pins = {}
    for line in _pins():
        requirement = Requirement(line)
        (specifier,) = requirement.specifier
        assert specifier.operator == "==" and "*" not in specifier.version, line
        pins[canonicalize_name(requirement.name)] = Version(specifier.version)
    assert list(pins) == sorted(pins) and len(pins) == len(_pins())
    assert pins[canonicalize_name("torch")] == Version("2.13.0"), (
        "a local build such as +cpu is no name that other machines find"
    )
    project = _project()
    for text in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        requirement = Requirement(text)
        version = pins.get(canonicalize_name(requirement.name))
        assert version is not None and requirement.specifier.contains(version, prereleases=True), (text, version)


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="not a git checkout")
def test_every_data_file_of_a_package_is_shipped() -> None:
    listed = subprocess.run(["git", "ls-files", "-z", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    for path in map(PurePosixPath, filter(None, listed.stdout.split("\0"))):
        if path.suffix == ".py" or not (ROOT / path).exists():
            continue
        package = path.parts[0]
        shipped = {found for pattern in data.get(package, []) for found in (ROOT / package).glob(pattern)}
        assert ROOT / path in shipped, f"{path} is in no package-data pattern of {package}"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what `make install` reads, and no .venv."""
    folder = (tmp_path / "a checkout").resolve()
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    return folder


def _script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def _make(folder: Path, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MAKEFLAGS": ""}
    environment.pop("PYTHON", None)
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
    return subprocess.run(["make", *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


@needs_make
def test_an_old_interpreter_is_refused_in_one_line(checkout: Path, tmp_path: Path) -> None:
    old = _script(tmp_path / "bin" / "python3", "exit 1")
    run = _make(checkout, "install", f"PYTHON={old}")
    assert run.returncode != 0
    assert "error: no Python 3.11 or newer" in run.stderr and str(old) in run.stderr
    assert not (checkout / ".venv").exists()


@needs_make
def test_a_missing_venv_module_names_the_package_to_install(checkout: Path, tmp_path: Path) -> None:
    bare = _script(tmp_path / "bin" / "python3", 'case "$2" in *ensurepip*) exit 1;; esac; exit 0')
    run = _make(checkout, "install", f"PYTHON={bare}")
    assert run.returncode != 0 and "apt-get install python3-venv" in run.stderr
    assert not (checkout / ".venv").exists()


@needs_make
def test_candidates_that_do_not_start_are_passed_over(checkout: Path, tmp_path: Path) -> None:
    """A version manager's shim for a version it has not got: on PATH, executable, exits 127."""
    shims = tmp_path / "shims"
    for name in ("python3.13", "python3.12"):
        _script(shims / name, "exit 127")
    _script(shims / "python3.11", 'case "$1" in -V) echo Python 3.11.0;; -m) echo "chosen $0"; exit 3;; esac')
    run = _make(checkout, "install", path=shims)
    assert f"chosen {shims}/python3.11" in run.stdout and run.returncode != 0


@needs_make
def test_only_a_whole_installation_in_this_place_counts(checkout: Path, tmp_path: Path) -> None:
    stamp = checkout / ".venv" / ".installed"
    # An interpreter that makes an "environment" whose pip does as the file says.
    verdict = tmp_path / "verdict"
    inner = f'case "$1" in -c) pwd -P | sed s,$,/.venv,;; -m) echo "pip $3"; exit $(cat {verdict});; esac'
    maker = _script(
        tmp_path / "bin" / "python3",
        f"""case "$1" in -c) exit 0;; -V) echo Python 3.11.0; exit 0;; esac
        mkdir -p "$3/bin"; echo "#!$(pwd -P)/$3/bin/python" > "$3/bin/pip"
        printf '%s\\n' '#!/bin/sh' '{inner}' > "$3/bin/python"; chmod +x "$3/bin/python" """,
    )
    verdict.write_text("1")
    assert _make(checkout, "install", f"PYTHON={maker}").returncode != 0
    assert not stamp.exists()

    verdict.write_text("0")
    run = _make(checkout, "install", f"PYTHON={maker}")
    assert run.returncode == 0 and "Creating" not in run.stdout, run.stderr
    assert stamp.read_text() == f"{checkout}\n"
    again = _make(checkout, "install", f"PYTHON={maker}").stdout
    assert "pip" not in again and "Everything is installed" in again

    os.utime(checkout / "constraints.txt", (stamp.stat().st_mtime + 5,) * 2)
    assert "pip" in _make(checkout, "install", f"PYTHON={maker}").stdout

    moved = checkout.rename(checkout.with_name("elsewhere"))
    os.utime(moved / "constraints.txt", (1, 1))
    run = _make(moved, "install", f"PYTHON={maker}")
    assert run.returncode == 0 and "Creating .venv" in run.stdout, "a moved environment is made anew"
    assert (moved / ".venv" / ".installed").read_text() == f"{moved}\n"


@pytest.fixture
def bare_machine(tmp_path: Path) -> Path:
    """A PATH with no browser and no git, where apt-get and make write down how they are called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "sh", "dirname", "cat"):
        (folder / name).symlink_to(str(shutil.which(name)))
    calls = tmp_path / "calls"
    _script(folder / "id", "echo 0")
    _script(folder / "python3", "exit 0")
    _script(folder / "timeout", 'shift; exec "$@"')
    _script(folder / "apt-get", f'echo "apt-get $*" >> {calls}; exit "${{APT:-0}}"')
    _script(folder / "make", f'echo "make $* CI=$CI stdin=$(cat)" >> {calls}; exit 7')
    return folder


def _ci(machine: Path, **extra: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    bash = str(machine / "bash")
    run = subprocess.run(
        [bash, str(ROOT / ".ci" / "run")],
        env={"PATH": str(machine), **extra},
        input="typed",
        capture_output=True,
        text=True,
    )
    return run, (machine.parent / "calls").read_text().splitlines()


MADE = ["make test CI=true stdin=", "make slow CI=true stdin="]


def test_ci_installs_what_is_missing_and_ends_as_the_tests_do(bare_machine: Path) -> None:
    run, (update, install, *made) = _ci(bare_machine)
    assert run.returncode == 7 and not run.stderr
    assert " update" in update and "install -y" in install and install.endswith(" git chromium")
    assert made == MADE


def test_ci_goes_on_with_a_warning_where_it_may_not_or_cannot_install(bare_machine: Path) -> None:
    run, calls = _ci(bare_machine, APT="100")
    assert run.returncode == 7 and "browser tests skip" in run.stderr and calls[-2:] == MADE

    (bare_machine.parent / "calls").unlink()
    _script(bare_machine / "id", "echo 1000")
    run, calls = _ci(bare_machine)
    assert run.returncode == 7 and "browser tests skip" in run.stderr and calls == MADE


def test_ci_installs_nothing_where_nothing_is_missing(bare_machine: Path) -> None:
    _script(bare_machine / "git", "exit 0")
    _script(bare_machine / "chromium-browser", "exit 0")
    run, calls = _ci(bare_machine)
    assert run.returncode == 7 and not run.stderr and calls == MADE
