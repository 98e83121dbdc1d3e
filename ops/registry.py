"""Finding the kinds of a family (steps, sources, tasks, models): every module of its package is looked at.

Adding a kind is therefore one new module; nothing else changes.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from types import ModuleType
from typing import Annotated, Any, Union, get_args

from pydantic import Field

from ops.config import Config

# Kinds that the design has and this version has not: asked for, they are named as such rather than as misspelt.
PLANNED: dict[str, str] = {
    "semantic_duplicates": "removal of texts that mean the same",
    "translation": "the translation task",
    "question_answering": "the question answering task",
    "detection": "the detection task",
    "face_recognition": "the face recognition task",
}


def kind_of(cls: type[Config]) -> str:
    """The value of the `kind` field's `Literal`."""
    (value,) = get_args(cls.model_fields["kind"].annotation)
    return str(value)


@cache
def discover(*packages: str, base: type[Config]) -> dict[str, type[Config]]:
    """All concrete subclasses of `base` in the modules of the packages, by kind, in the order of their names.

    Raises:
        TypeError: two modules claim one kind.
    """
    found: dict[str, type[Config]] = {}
    for package in packages:
        for module in _modules(package):
            for value in vars(module).values():
                if not _is_kind(value, base, module):
                    continue
                kind = kind_of(value)
                if kind in found:
                    raise TypeError(f"kind {kind!r} is defined by {found[kind].__module__} and {module.__name__}")
                found[kind] = value
    return dict(sorted(found.items()))


def named(package: str, kind: str, *, base: type[Config]) -> type[Config] | None:
    """The kind of that name, if it is in the module of the package that has its name; else nothing."""
    names = {name for _, name, _ in pkgutil.iter_modules(importlib.import_module(package).__path__)}
    if kind not in names:
        return None
    module = importlib.import_module(f"{package}.{kind}")
    found = [value for value in vars(module).values() if _is_kind(value, base, module) and kind_of(value) == kind]
    return found[0] if found else None


def union(*packages: str, base: type[Config]) -> Any:
    """The discriminated union (on `kind`) of all kinds of the packages, for a pydantic field."""
    classes = tuple(discover(*packages, base=base).values())
    if len(classes) == 1:
        return classes[0]
    return Annotated[Union[classes], Field(discriminator="kind")]  # noqa: UP007 - built at run time


def _modules(package: str) -> list[ModuleType]:
    root = importlib.import_module(package)
    names = sorted(name for _, name, is_package in pkgutil.iter_modules(root.__path__) if not is_package)
    return [importlib.import_module(f"{package}.{name}") for name in names]


def _is_kind(value: object, base: type[Config], module: ModuleType) -> bool:
    return (
        isinstance(value, type)
        and issubclass(value, base)
        and value.__module__ == module.__name__
        and "kind" in value.model_fields
        and bool(get_args(value.model_fields["kind"].annotation))
    )
