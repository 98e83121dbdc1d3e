"""A recipe that remembers which of its keys were read, and the modules below `ops` whose functions ran."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, MethodType
from typing import Any, cast

import ops
from ops.recipe import Recipe
from ops.stages.code import CARRIERS


class Recorder:
    """Stands in for a recipe."""

    def __init__(self, recipe: Recipe) -> None:
        self.recorded: set[str] = set()
        self._recipe = recipe

    def __getattr__(self, name: str) -> Any:
        found = getattr(Recipe, name, None)
        if isinstance(found, property):
            assert found.fget is not None
            return found.fget(self)
        if name == "model_dump":
            return self._dump
        if callable(found):
            return MethodType(found, self)
        if name in Recipe.model_fields:  # what else a recipe holds comes of these
            self.recorded.add(name)
        return getattr(self._recipe, name)

    def _dump(self, include: set[str], **options: Any) -> dict[str, Any]:
        self.recorded |= include
        return self._recipe.model_dump(include=include, **options)


def recorder(recipe: Recipe) -> tuple[Recipe, set[str]]:
    """The stand-in, and the set that its keys are added to as they are read."""
    stand_in = Recorder(recipe)
    return cast(Recipe, stand_in), stand_in.recorded


def import_everything() -> None:
    """Import all of `ops`: what runs when a module is imported is not what a stage does."""
    for module in pkgutil.walk_packages(ops.__path__, "ops."):
        importlib.import_module(module.name)


@contextmanager
def tracing() -> Iterator[set[str]]:
    """The set of modules below `ops` whose functions are called in the `with` block, but for the carriers."""
    found: set[str] = set()

    def profile(frame: FrameType, event: str, argument: object) -> None:
        name = frame.f_globals.get("__name__", "")
        if event == "call" and name.startswith("ops."):
            found.add(name)

    sys.setprofile(profile)
    try:
        yield found
    finally:
        sys.setprofile(None)
        found -= {name for name in found if any(f"{name}.".startswith(f"{carrier}.") for carrier in CARRIERS)}
