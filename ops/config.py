"""The base of everything a recipe may say: frozen, strict, described."""

from __future__ import annotations

import ast
import inspect
import sys
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """A frozen pydantic model that refuses unknown keys and silent conversions.

    Every field carries a docstring below it: it is what `satiety schema`, editors and the reference pages show.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def describe(*models: type[BaseModel]) -> None:
    """Take the docstrings below the models' fields, and those of all models in them, as the fields' descriptions.

    pydantic's own `use_attribute_docstrings` does so when a class is made, by reading its source class by class, which
    took a third of the time of `satiety plan`. Only a schema needs them.
    """
    for model in _with_parts(models):
        for name, text in _attribute_docstrings(model).items():
            if name in model.model_fields and model.model_fields[name].description is None:
                model.model_fields[name].description = text
    for model in reversed(_with_parts(models)):
        model.model_rebuild(force=True)


def _with_parts(models: tuple[type[BaseModel], ...]) -> list[type[BaseModel]]:
    """The models and all models that their fields name, each once, outer ones first."""
    found: dict[type[BaseModel], None] = {}
    queue: list[Any] = list(models)
    while queue:
        value = queue.pop(0)
        if isinstance(value, type) and issubclass(value, BaseModel):
            if value not in found:
                found[value] = None
                queue.extend(field.annotation for field in value.model_fields.values())
        else:
            queue.extend(getattr(value, "__args__", ()))
    return list(found)


def _attribute_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Docstrings by field, those of base classes too; a class's own come first."""
    found: dict[str, str] = {}
    for cls in model.__mro__:
        if isinstance(cls, type) and issubclass(cls, BaseModel) and cls.__module__.partition(".")[0] != "pydantic":
            for name, text in _of_module(cls.__module__).get(cls.__qualname__, {}).items():
                found.setdefault(name, text)
    return found


@cache
def _of_module(name: str) -> dict[str, dict[str, str]]:
    """For each class of a module the strings that stand below its annotated names."""
    file = getattr(sys.modules[name], "__file__", None)
    if file is None:
        return {}
    found: dict[str, dict[str, str]] = {}
    for node in ast.walk(ast.parse(Path(file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            texts = found.setdefault(node.name, {})
            for statement, after in zip(node.body, node.body[1:], strict=False):
                if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
                    continue
                if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                    texts[statement.target.id] = inspect.cleandoc(str(after.value.value))
    return found
