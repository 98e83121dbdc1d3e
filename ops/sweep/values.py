"""From the values of a trial to the recipe that it trains."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ops.config import Config
from ops.nn.models.base import Model
from ops.registry import discover
from ops.sweep.config import MOST, Range, Sweep
from ops.training.config import TrainingConfig

if TYPE_CHECKING:
    from ops.recipe import Recipe

PARTS = ("model", "training")
"""The keys of a recipe whose settings can be searched."""
PROBE = 0.381966
"""Where in a range no whole number is taken for one."""


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with these values of its keys, and without the sweep.

    Raises:
        pydantic.ValidationError: a value, or what they are together, is not allowed.
        KeyError: a key leads nowhere.
    """
    # What was not said is not said here either: some settings depend on it.
    data = {name: getattr(recipe, name).model_dump(mode="json", exclude_unset=True) for name in PARTS}
    for key, value in values.items():
        *above, last = key.split(".")
        inner: Any = data
        for name in above:
            if inner.get(name) is None:
                inner[name] = {}
            inner = inner[name]
        inner[last] = value
    kinds = discover("ops.nn.models", base=Model)
    kind = cast("type[Model]", kinds.get(data["model"].get("kind"), type(recipe.model)))
    # As JSON, for there a list may stand for a tuple, and all else stays strict.
    changed: dict[str, Config | None] = {
        "model": kind.model_validate_json(json.dumps(data["model"])),
        "training": TrainingConfig.model_validate_json(json.dumps(data["training"])),
        "sweep": None,
    }
    return recipe.model_copy(update=changed)


def is_whole(recipe: Recipe, key: str, values: Range) -> bool:
    """Whether the values of a range are whole numbers: both ends are, and the key takes nothing between them."""
    if not all(isinstance(n, int) for n in (values.low, values.high, values.step or 1)):
        return False
    try:
        with_values(recipe, {key: values.low + PROBE * (values.high - values.low)})
    except ValueError:
        return True
    return False


def listed(recipe: Recipe, sweep: Sweep) -> dict[str, list[Any]]:
    """For each key its values where they can be counted; none of a range without steps."""
    found: dict[str, list[Any]] = {}
    for key, values in sweep.over.items():
        if isinstance(values, list):
            found[key] = values
            continue
        step = values.distance(is_whole(recipe, key, values))
        count = values.count(step) if step is not None else 0
        found[key] = [values.point(step, place) for place in range(min(count, MOST + 1))] if step is not None else []
    return found
