"""Docstrings of installed packages: real, duplicated, messy text that every installation already has."""

from __future__ import annotations

import ast
import gc
import hashlib
import heapq
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Literal, NamedTuple

import polars as pl
from pydantic import PositiveInt, field_validator

from ops.errors import ConfigError
from ops.sources.base import Batch, Source
from ops.sources.distributions import STANDARD_LIBRARY, Distribution, SourceFile, find_distribution
from ops.sources.places import nearest
from ops.sources.rejects import Reject, reject_frame

DEFAULT_PACKAGES = [
    STANDARD_LIBRARY,
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "matplotlib",
    "polars",
    "sqlalchemy",
    "sympy",
    "networkx",
    "dagster",
    "mlflow",
]

DOCSTRING_SCHEMA: dict[str, pl.DataType] = {
    "text": pl.String(),
    "package": pl.String(),
    "name": pl.String(),
    "file": pl.String(),
    "line": pl.Int64(),
}


class Docstring(NamedTuple):
    """One docstring: qualified name within its module (empty for the module's own), its first line, the clean text."""

    qualname: str
    line: int
    text: str


class InstalledDocstrings(Source):
    """The docstrings of modules, classes and functions of installed distributions, read from files, never imported.

    Folders and modules of tests are left out. A package has more docstrings than are needed: its files are taken in the
    order of the SHA-256 of their names until `max_per_package` is reached, and only those are parsed. Which files these
    are is thus the same everywhere, and independent of where in the package they stand.
    """

    natural: ClassVar[Literal["package", "file"] | None] = "package"

    kind: Literal["installed_docstrings"] = "installed_docstrings"
    """Docstrings of installed packages, the standard library included."""
    packages: list[str] = DEFAULT_PACKAGES
    """Names of distributions, as pip knows them; `python` is the standard library. One partition each."""
    min_characters: PositiveInt = 40
    """Shortest docstring, after the indentation is removed."""
    max_per_package: PositiveInt = 2000
    """Most docstrings of one package."""

    @field_validator("packages")
    @classmethod
    def _distinct(cls, value: list[str]) -> list[str]:
        if not value or len(set(value)) != len(value):
            raise ValueError("name each package once, and at least one")
        return value

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """Text, package, and the qualified name as `module:Class.method` (a module's own: `module`)."""
        return {name: dtype for name, dtype in DOCSTRING_SCHEMA.items() if name not in ("file", "line")}

    def check(self) -> None:
        """Look whether all packages are installed."""
        for package in self.packages:
            find_distribution(package)

    def natural_partitions(self) -> list[str]:
        """The packages."""
        return list(self.packages)

    def external(self, partition: str | None = None) -> str:
        """SHA-256 over names, versions and the SHA-256 of the source files of the partition's packages.

        The hashes of files are those that pip recorded when it installed them; where it recorded none (the standard
        library, editable installs) the files are read.
        """
        parts = [find_distribution(package).digest() for package in self._selected(partition)]
        return parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()

    def read(self, partition: str | None = None) -> Iterator[Batch]:
        """Yield one batch per package, in the order of files and lines."""
        for package in self._selected(partition):
            with _no_cycle_collection():
                batch = self._package(find_distribution(package))
            yield batch

    def _selected(self, partition: str | None) -> list[str]:
        if partition is None:
            return self.packages
        if partition not in self.packages:
            raise ConfigError(f"no package {partition!r}{nearest(partition, self.packages)}")
        return [partition]

    def _package(self, distribution: Distribution) -> Batch:
        rows: list[tuple[str, str, str, str, int]] = []
        rejects: list[Reject] = []
        for file in _by_hash(distribution.files):
            if len(rows) >= self.max_per_package:
                break
            found, faults = _read_file(file)
            rejects.extend(faults)
            for docstring in found:
                if len(docstring.text) >= self.min_characters and len(rows) < self.max_per_package:
                    name = f"{file.module}:{docstring.qualname}" if docstring.qualname else file.module
                    rows.append((docstring.text, distribution.name, name, file.name, docstring.line))
        rows.sort(key=lambda row: (row[3], row[4], row[2]))
        return Batch(pl.DataFrame(rows, schema=DOCSTRING_SCHEMA, orient="row"), reject_frame(sorted(rejects)))


@contextmanager
def _no_cycle_collection() -> Iterator[None]:
    # Syntax trees are large, hold no cycles, and make the collector run all the time: a quarter of the time is its.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _by_hash(files: list[SourceFile]) -> Iterator[SourceFile]:
    heap = [(hashlib.sha256(file.name.encode()).digest(), file) for file in files]
    heapq.heapify(heap)
    while heap:
        yield heapq.heappop(heap)[1]


def _read_file(file: SourceFile) -> tuple[list[Docstring], list[Reject]]:
    try:
        source = file.path.read_bytes()
    except OSError as error:
        return [], [Reject(file.name, None, None, "unreadable", str(error.strerror), b"")]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        detail = getattr(error, "msg", None) or str(error)
        lines = source.splitlines()
        excerpt = lines[line - 1] if 0 < line <= len(lines) else b""
        return [], [Reject(file.name, line, None, "syntax_error", detail, excerpt)]
    docstrings: list[Docstring] = []
    rejects: list[Reject] = []
    for docstring in docstrings_of(tree):
        try:
            docstring.text.encode("utf-8")
        except UnicodeEncodeError:
            excerpt = docstring.text.encode("utf-8", "backslashreplace")
            rejects.append(Reject(file.name, docstring.line, None, "lone_surrogate", docstring.qualname, excerpt))
        else:
            docstrings.append(docstring)
    return docstrings, rejects


def docstrings_of(tree: ast.Module) -> Iterator[Docstring]:
    """All docstrings of a module, in the order of the file; qualified names as Python's `__qualname__`."""
    stack: list[tuple[ast.AST, str]] = [(tree, "")]
    while stack:
        node, prefix = stack.pop()
        inner = prefix
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            qualname = "" if isinstance(node, ast.Module) else f"{prefix}{node.name}"
            text = ast.get_docstring(node)
            if text:
                yield Docstring(qualname, node.body[0].lineno, text)
            if isinstance(node, ast.ClassDef):
                inner = f"{qualname}."
            elif qualname:
                inner = f"{qualname}.<locals>."
        # Definitions stand in statements alone: expressions, most of the tree, are not visited.
        children = [
            child
            for field in ("body", "handlers", "orelse", "finalbody", "cases")
            for child in getattr(node, field, None) or ()
            if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case)
        ]
        stack.extend((child, inner) for child in reversed(children))
