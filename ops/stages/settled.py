"""A recipe of which something has been searched (strength, settings), as the stages behind the searches see it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ops.errors import IntegrityError
from ops.recipe import Recipe
from ops.stages.spec import Build
from ops.storage import Version
from ops.sweep.values import with_values

STRENGTH, RESULT = "strength", "strength.json"
"""Name of the stage that searches the strength of augmentation, and of the file that it leaves."""
SWEEP, FOUND = "sweep", "sweep.json"
"""Name of the stage that searches settings of model and training, and of the file that it leaves."""
LEARNED = "curves.json"
"""What a sweep leaves beside it: loss by step of all trainings, in their order."""


def searches(recipe: Recipe) -> bool:
    """Whether the recipe leaves the strength of its augmentation to a search."""
    return recipe.augmentation is not None and recipe.augmentation.strength == "auto"


def at_strength(recipe: Recipe, strength: float) -> Recipe:
    """The recipe with its augmentation at that strength."""
    if recipe.augmentation is None:
        raise TypeError("a recipe without augmentation has no strength")
    return recipe.model_copy(update={"augmentation": recipe.augmentation.at(strength)})


def settled(build: Build) -> Build:
    """The build with what searches have chosen in its recipe, where there were such."""
    recipe = build.recipe
    if STRENGTH in build.inputs:
        recipe = at_strength(recipe, chosen(build.one(STRENGTH)))
    if SWEEP in build.inputs:
        recipe = with_values(recipe, best_values(build.one(SWEEP)))
    return build if recipe is build.recipe else replace(build, recipe=recipe)


def chosen(version: Version) -> float:
    """The strength that a search has chosen.

    Raises:
        IntegrityError: its result names none.
    """
    found = version.json(RESULT).get("chosen")
    if not isinstance(found, float) or not 0.0 <= found <= 1.0:
        raise IntegrityError(f"{found!r} is no strength", where=str(version.path / RESULT))
    return found


def best_values(version: Version) -> dict[str, Any]:
    """The values that a sweep has chosen, by their keys.

    Raises:
        IntegrityError: its result names none.
    """
    found = version.json(FOUND).get("chosen")
    if not isinstance(found, dict) or not isinstance(found.get("values"), dict):
        raise IntegrityError("the sweep names no values", where=str(version.path / FOUND))
    return dict(found["values"])


def swept(version: Version) -> list[dict[str, Any]]:
    """The trainings of a sweep, each with its values and what it took, where that is known."""
    found = version.json(FOUND)
    costs = (version.cost or {}).get("trials") or [{}] * len(found["trials"])
    names = list(dict.fromkeys(name for row in found["trials"] for name in row if name.startswith("valid_")))
    rows = []
    for row, cost in zip(found["trials"], costs, strict=True):
        values = {key: value if _is_plain(value) else json.dumps(value) for key, value in row["values"].items()}
        figures = {name: row.get(name) for name in ("rung", "steps", *names, "state")}
        chosen = {"cpu_seconds": cost.get("cpu_s"), "chosen": row["trial"] == found["chosen"]["trial"]}
        rows.append({"trial": row["trial"], **values, **figures, **chosen})
    return rows


def _is_plain(value: Any) -> bool:
    """Whether a table can show a value as it is."""
    return value is None or isinstance(value, str | bool | int | float)


def tried(version: Version) -> list[dict[str, Any]]:
    """The trials of a search, each with what it took, where that is known, and whether its strength was chosen."""
    found = version.json(RESULT)
    costs = (version.cost or {}).get("trials") or [{}] * len(found["trials"])
    return [
        {**trial, "cpu_seconds": cost.get("cpu_s"), "chosen": trial["strength"] == found["chosen"]}
        for trial, cost in zip(found["trials"], costs, strict=True)
    ]
