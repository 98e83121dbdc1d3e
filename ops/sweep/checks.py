"""What is wrong with a sweep of a recipe; found before anything runs, by trying the ends of all ranges and lists."""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from ops.sweep.config import MOST, Range, Sweep
from ops.sweep.values import PARTS, listed, with_values
from ops.training.parallel.checks import oversubscribed

if TYPE_CHECKING:
    from ops.recipe import Recipe

Place = tuple[str | int, ...]
Problem = tuple[Place, str]
Look = Callable[["Recipe"], Iterable[Problem]]
"""What finds problems between keys of a recipe."""

COMBINATIONS = 512
"""Combinations of ends that are tried, at most; of lists their first and last values are ends."""
LENGTHS = ("training.steps", "training.epochs")


def sweep_problems(recipe: Recipe, look: Look) -> Iterator[Problem]:
    """The problems, each at the key that it is about."""
    sweep = recipe.sweep
    if sweep is None:
        return
    yield from _side_by_side(recipe, sweep)
    if recipe.launch.nodes > 1:
        yield ("sweep",), "a sweep trains on one node, and launch.nodes says more"
    found = [problem for key in sweep.over for problem in _of_key(recipe, sweep, key)]
    yield from found
    if found:
        return
    if sweep.search == "grid":
        yield from _grid(recipe, sweep)
    yield from _together(recipe, sweep, look)


def _side_by_side(recipe: Recipe, sweep: Sweep) -> Iterator[Problem]:
    """More trainings at once than there are cores for, or trials to train."""
    if sweep.search == "tpe" and sweep.batch < sweep.at_once:
        proposed = "one trial" if sweep.batch == 1 else f"{sweep.batch} trials"
        yield (
            ("sweep", "at_once"),
            f"tpe proposes {proposed} at once; say batch: {sweep.at_once} too, or search: random",
        )
    if (
        sweep.at_once > 1
        and not oversubscribed(recipe.launch)
        and (found := oversubscribed(recipe.launch, sweep.at_once))
    ):
        yield ("sweep", "at_once"), found


def _of_key(recipe: Recipe, sweep: Sweep, key: str) -> Iterator[Problem]:
    """A key that leads nowhere, and values that it cannot have."""
    where: Place = ("sweep", "over", key)
    unknown = _unknown(recipe, key)
    if unknown:
        yield where, unknown
        return
    if key in LENGTHS and sweep.halving is not None:
        yield where, "halving says how long trials are trained; leave this out, or halving"
        return
    values = sweep.over[key]
    ends = {"low": values.low, "high": values.high} if isinstance(values, Range) else dict(enumerate(values))
    for place, value in ends.items():
        try:
            with_values(recipe, {key: value})
        except ValidationError as error:
            if not _of_others(error, key, sweep):
                yield (*where, place), f"{key} cannot be {_shown(value)}: {_reason(error)}"


def _of_others(error: ValidationError, key: str, sweep: Sweep) -> bool:
    """Whether an error is of several keys together, some of which the sweep sets too: combinations are tried later."""
    return all(not detail["loc"] for detail in error.errors(include_url=False)) and len(sweep.over) > 1


def _unknown(recipe: Recipe, key: str) -> str:
    """Why a key leads nowhere; empty where it does not."""
    part, *rest = key.split(".")
    if part not in PARTS or not rest:
        known = [f"{part}.{name}" for part in PARTS for name in type(getattr(recipe, part)).model_fields]
        return f"{key!r} is no key of model or training; {_nearest(key, known)}"
    value: Any = getattr(recipe, part)
    above = part
    for place, name in enumerate(rest):
        if not isinstance(value, BaseModel):
            if value is None:
                return f"{above} is empty in the recipe, so {key!r} leads nowhere; write {above} there first"
            return f"{above} is a single value and has no {name!r}"
        if name not in type(value).model_fields:
            # Another kind of model may have it.
            if place == 0 and part == "model" and recipe.sweep is not None and "model.kind" in recipe.sweep.over:
                return ""
            return f"unknown key {key!r}; {_nearest(name, type(value).model_fields, f'{above}.')}"
        value, above = getattr(value, name), f"{above}.{name}"
    return ""


def _nearest(name: str, known: Iterable[str], prefix: str = "") -> str:
    names = list(known)
    found = difflib.get_close_matches(name, names, n=1)
    if not found:
        found = difflib.get_close_matches(name, [one.rpartition(".")[2] for one in names], n=1)
        found = [one for one in names if found and one.rpartition(".")[2] == found[0]]
    return f"did you mean {prefix + found[0]!r}?" if found else f"known keys: {', '.join(prefix + n for n in names)}"


def _grid(recipe: Recipe, sweep: Sweep) -> Iterator[Problem]:
    sizes = {key: len(values) for key, values in listed(recipe, sweep).items()}
    for key, size in sizes.items():
        if not size:
            yield ("sweep", "over", key), f"a grid needs values that can be counted: give {key} a list, or a step"
    if (count := math.prod(sizes.values())) > MOST:
        yield ("sweep", "search"), f"a grid of these values has {count:,} trials, more than {MOST:,}; say random"


def _together(recipe: Recipe, sweep: Sweep, look: Look) -> Iterator[Problem]:
    """The first combination of ends that does not go together."""
    ends = [[v.low, v.high] if isinstance(v, Range) else v for v in sweep.over.values()]
    if math.prod(map(len, ends)) > COMBINATIONS:
        ends = [[values[0], values[-1]] for values in ends]
    known = set(look(recipe))
    for values in itertools.islice(itertools.product(*ends), COMBINATIONS):
        said = dict(zip(sweep.over, values, strict=True))
        try:
            problems = [text for path, text in look(with_values(recipe, said)) if (path, text) not in known]
        except ValidationError as error:
            problems = [_reason(error)]
        if problems:
            shown = ", ".join(f"{key} {_shown(value)}" for key, value in said.items())
            yield ("sweep", "over"), f"with {shown}: {problems[0]}"
            return


def _reason(error: ValidationError) -> str:
    """The first thing that is wrong, in few words."""
    detail = error.errors(include_url=False)[0]
    if detail["type"] == "extra_forbidden":
        return f"this kind has no {'.'.join(map(str, detail['loc']))}"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"it {message}" if message.startswith("should") else message


def _shown(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
