"""The Python source files of an installed distribution, found without importing it, and their digest."""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ops.errors import ConfigError
from ops.sources.places import nearest

STANDARD_LIBRARY = "python"

_TESTS = frozenset({"test", "tests", "testing", "_testing", "idle_test"})
_SKIPPED = frozenset({"site-packages", "dist-packages", "__pycache__"})


class SourceFile(NamedTuple):
    """One source file: its name within the place of installation (`numpy/linalg/linalg.py`), path, recorded SHA-256."""

    name: str
    path: Path
    sha256: str | None

    @property
    def module(self) -> str:
        """The dotted name of the module."""
        parts = self.name.removesuffix(".py").split("/")
        return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


class Distribution(NamedTuple):
    """An installed distribution, or the standard library, with its source files in the order of their names."""

    name: str
    version: str
    files: list[SourceFile]

    def digest(self) -> str:
        """SHA-256 (hex) over name, version, and the names and SHA-256 of the files."""
        total = hashlib.sha256(f"{self.name}=={self.version}\n".encode())
        for file in self.files:
            content = file.sha256
            if content is None:
                content = hashlib.sha256(file.path.read_bytes()).hexdigest()
            total.update(f"{file.name}={content}\n".encode("utf-8", "surrogateescape"))
        return total.hexdigest()


def find_distribution(name: str) -> Distribution:
    """The distribution of that name; `python` is the standard library.

    Raises:
        ConfigError: it is not installed, or has no Python source files.
    """
    if name == STANDARD_LIBRARY:
        root = Path(sysconfig.get_path("stdlib"))
        found = Distribution(name, platform.python_version(), sorted(_walk(root, "")))
    else:
        try:
            distribution = importlib.metadata.distribution(name)
        except (importlib.metadata.PackageNotFoundError, ValueError):
            names = sorted({str(d.name) for d in importlib.metadata.distributions() if d.name})
            near = nearest(name, [STANDARD_LIBRARY, *names])
            raise ConfigError(f"the package {name!r} is not installed{near}") from None
        files = sorted(_recorded(distribution)) or sorted(_located(distribution))
        found = Distribution(name, distribution.version, files)
    if not found.files:
        raise ConfigError(f"the package {name!r} has no Python source files", hint="leave it out of `packages`")
    return found


def is_test(name: str) -> bool:
    """Whether a source file belongs to tests."""
    *folders, last = name.split("/")
    return last.startswith("test_") or last in ("conftest.py",) or not _TESTS.isdisjoint(folders)


def _recorded(distribution: importlib.metadata.Distribution) -> Iterator[SourceFile]:
    """The files that pip wrote down when it installed the distribution (PEP 376)."""
    record = distribution.read_text("RECORD")
    # Only lines of source files: most of a record are compiled files and data.
    wanted = re.findall(r"^.*\.py\"?,.*$", record or "", re.M)
    root = Path(str(distribution.locate_file("")))
    for name, digest, *_ in csv.reader(wanted):
        if name.endswith(".py") and not name.startswith(("..", "/")) and not is_test(name):
            yield SourceFile(name, root / name, digest or None)


def _located(distribution: importlib.metadata.Distribution) -> Iterator[SourceFile]:
    """The files of a distribution without such a record (editable installs, packages of the operating system)."""
    listed = (distribution.read_text("top_level.txt") or "").split()
    for top in listed or [str(distribution.name).replace("-", "_")]:
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError, AttributeError):
            continue
        for folder in (spec.submodule_search_locations or []) if spec else []:
            yield from _walk(Path(folder), f"{top}/")


def _walk(root: Path, prefix: str) -> Iterator[SourceFile]:
    stack = [(str(root), prefix)]
    while stack:
        folder, prefix = stack.pop()
        with os.scandir(folder) as entries:
            for entry in entries:
                name = f"{prefix}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in _SKIPPED and entry.name not in _TESTS:
                        stack.append((entry.path, f"{name}/"))
                elif entry.name.endswith(".py") and not is_test(name) and entry.is_file():
                    yield SourceFile(name, Path(entry.path), None)
