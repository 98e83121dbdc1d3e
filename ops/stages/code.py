"""Code versions: what a stage's result depends on in the source, without comments, docstrings and layout.

The version of a stage covers its module and, transitively, every module below `ops` that it imports, but for the
infrastructure that carries results without shaping them (`CARRIERS`).
"""

from __future__ import annotations

import ast
import atexit
import contextlib
import hashlib
import importlib.util
import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

CARRIERS = (
    "ops.errors",
    "ops.registry",
    "ops.config",
    "ops.recipe",
    "ops.recipe_checks",
    "ops.storage",
    "ops.stages.spec",
    "ops.stages.run",
)
"""Modules that no result depends on: what they write is fixed by the store's format number instead."""

ROOT = Path(__file__).parents[2]
REMEMBERED = Path(__file__).parent / "__pycache__" / f"code-versions-{sys.version_info[0]}{sys.version_info[1]}.json"
"""What was worked out for a source text, by its SHA-256: saves the parsing of a hundred modules in every command."""

LARGEST = 1000
"""Sources that are remembered, the newest."""


class Code(NamedTuple):
    """What a module's source says: its version, and the modules below `ops` that it may import."""

    version: str
    imports: tuple[str, ...]


def code_versions(modules: list[str]) -> dict[str, str]:
    """SHA-256 (first 16 hex) of each module in the import closure of `modules`, by module name, sorted."""
    found: dict[str, str] = {}
    queue = list(modules)
    while queue:
        module = queue.pop()
        if module in found or _is_carrier(module):
            continue
        code = _code(module)
        found[module] = code.version
        queue.extend(name for name in code.imports if _exists(name))
    return dict(sorted(found.items()))


def normalized(source: str) -> str:
    """The syntax tree as text, without positions, comments and docstrings: equal for equal behaviour."""
    return _said(_undocumented(ast.parse(source)))


def _undocumented(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = _without_docstrings(node.body)
    return tree


def _said(value: object) -> str:
    """A node in words. Fields without a value are left out: other versions of Python have other ones, and would differ.

    `ast.dump` and `repr` do differ from version to version, and a new Python must not rebuild everything.
    """
    if isinstance(value, ast.AST):
        fields = (
            f"{name}={_said(inner)}" for name, inner in ast.iter_fields(value) if inner is not None and inner != []
        )
        return f"{type(value).__name__}({', '.join(fields)})"
    if isinstance(value, list):
        return f"[{', '.join(map(_said, value))}]"
    return ascii(value)


def _without_docstrings(body: list[ast.stmt]) -> list[ast.stmt]:
    # A bare string documents its module, class, function, or (behind an assignment) an attribute: never behaviour.
    return [s for s in body if not _is_text(s)] or [ast.Pass()]


def _is_text(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Constant):
        return False
    return isinstance(statement.value.value, str)


def _imports(tree: ast.Module) -> tuple[str, ...]:
    """Names below `ops` that the module imports at any depth; some may be of things in a module, not of modules."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(sorted(name for name in found if name.startswith("ops.")))


@cache
def _code(module: str) -> Code:
    source = _path(module).read_bytes()
    key = hashlib.sha256(_method() + source).hexdigest()
    memory = _memory()
    if key not in memory:
        tree = ast.parse(source)
        imports = _imports(tree)
        memory[key] = Code(hashlib.sha256(_said(_undocumented(tree)).encode()).hexdigest()[:16], imports)
        _remember_at_exit()
    return memory[key]


@cache
def _method() -> bytes:
    """This module's own source, hashed: what was worked out by other means than these is not remembered."""
    return hashlib.sha256(Path(__file__).read_bytes()).digest()


@cache
def _memory() -> dict[str, Code]:
    try:
        content = json.loads(REMEMBERED.read_bytes())
        return {key: Code(version, tuple(imports)) for key, (version, imports) in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


@cache
def _remember_at_exit() -> None:
    atexit.register(_remember)


def _remember() -> None:
    """Keep what was worked out, for this source only; a folder that cannot be written costs time and nothing else."""
    temporary = REMEMBERED.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        REMEMBERED.parent.mkdir(exist_ok=True)
        temporary.write_text(json.dumps(dict(list(_memory().items())[-LARGEST:])), encoding="utf-8")
        temporary.replace(REMEMBERED)


@cache
def _exists(module: str) -> bool:
    root = ROOT.joinpath(*module.split("."))
    return root.with_suffix(".py").is_file() or root.joinpath("__init__.py").is_file()


def _path(module: str) -> Path:
    root = ROOT.joinpath(*module.split("."))
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
