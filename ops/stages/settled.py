"""A recipe whose strength of augmentation has been searched, as the stages behind the search see it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ops.errors import IntegrityError
from ops.recipe import Recipe
from ops.stages.spec import Build
from ops.storage import Version

STRENGTH, RESULT = "strength", "strength.json"
"""Name of the stage that searches, and of the file that it leaves."""


def searches(recipe: Recipe) -> bool:
    """Whether the recipe leaves the strength of its augmentation to a search."""
    return recipe.augmentation is not None and recipe.augmentation.strength == "auto"


def at_strength(recipe: Recipe, strength: float) -> Recipe:
    """The recipe with its augmentation at that strength."""
    if recipe.augmentation is None:
        raise TypeError("a recipe without augmentation has no strength")
    return recipe.model_copy(update={"augmentation": recipe.augmentation.at(strength)})


def settled(build: Build) -> Build:
    """The build with the strength in its recipe that the search has chosen, where there was one."""
    if STRENGTH not in build.inputs:
        return build
    return replace(build, recipe=at_strength(build.recipe, chosen(build.one(STRENGTH))))


def chosen(version: Version) -> float:
    """The strength that a search has chosen.

    Raises:
        IntegrityError: its result names none.
    """
    found = version.json(RESULT).get("chosen")
    if not isinstance(found, float) or not 0.0 <= found <= 1.0:
        raise IntegrityError(f"{found!r} is no strength", where=str(version.path / RESULT))
    return found


def tried(version: Version) -> list[dict[str, Any]]:
    """The trials of a search, each with what it took, where that is known, and whether its strength was chosen."""
    found = version.json(RESULT)
    costs = (version.cost or {}).get("trials") or [{}] * len(found["trials"])
    return [
        {**trial, "cpu_seconds": cost.get("cpu_s"), "chosen": trial["strength"] == found["chosen"]}
        for trial, cost in zip(found["trials"], costs, strict=True)
    ]
