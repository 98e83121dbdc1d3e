"""Code versions: what a stage's result depends on in the source, without comments, docstrings and layout.

The version of a stage covers its module and, transitively, every module below `ops` that it imports, but for the
infrastructure that carries results without shaping them (`CARRIERS`).
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from functools import cache
from pathlib import Path

CARRIERS = ("ops.errors", "ops.registry", "ops.config", "ops.recipe", "ops.storage", "ops.stages.spec", "ops.stages.run")
"""Modules that no result depends on: what they write is fixed by the store's format number instead."""


def code_versions(modules: list[str]) -> dict[str, str]:
    """SHA-256 (first 16 hex) of each module in the import closure of `modules`, by module name, sorted."""
    seen: set[str] = set()
    queue = list(modules)
    while queue:
        module = queue.pop()
        if module in seen or _is_carrier(module):
            continue
        seen.add(module)
        queue.extend(_imports(module))
    return {module: _version(module) for module in sorted(seen)}


def normalized(source: str) -> str:
    """The syntax tree as text, without positions, comments and docstrings: equal for equal behaviour."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = _without_docstrings(node.body)
    return ast.dump(tree)


def _without_docstrings(body: list[ast.stmt]) -> list[ast.stmt]:
    # A bare string documents its module, class, function, or (behind an assignment) an attribute: never behaviour.
    kept = [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant) and _is_text(s.value))]
    return kept or [ast.Pass()]


def _is_text(constant: ast.Constant) -> bool:
    return isinstance(constant.value, str)


@cache
def _version(module: str) -> str:
    return hashlib.sha256(normalized(_path(module).read_text(encoding="utf-8")).encode()).hexdigest()[:16]


@cache
def _imports(module: str) -> tuple[str, ...]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(_path(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(sorted(name for name in found if name.startswith("ops.") and _exists(name)))


@cache
def _exists(module: str) -> bool:
    root = Path(__file__).parents[2].joinpath(*module.split("."))
    return root.with_suffix(".py").is_file() or root.joinpath("__init__.py").is_file()


@cache
def _path(module: str) -> Path:
    root = Path(__file__).parents[2].joinpath(*module.split("."))
    for path in (root.with_suffix(".py"), root / "__init__.py"):
        if path.is_file():
            return path
    # A kind that lives outside this project (a plug-in's module).
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    return Path(spec.origin)


def _is_carrier(module: str) -> bool:
    return any(module == carrier or module.startswith(f"{carrier}.") for carrier in CARRIERS)
