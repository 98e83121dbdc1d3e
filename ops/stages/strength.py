"""strength: how strong augmentation should be, by short trainings that are judged on the validation split.

Each trial is the rest of the chain in small: copies at that strength, vocabulary, caches, and a training of the
recipe's own model through the same launcher. All of it lies in a store of its own in the work folder, by the same
commit protocol, so that a killed search goes on where it was. Trials of a round differ in nothing but the strength and
make the same number of steps. No test row is looked at.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import fmean
from typing import Any

from ops.augmentation.config import Augmentation
from ops.errors import CheckFailed
from ops.recipe import Recipe
from ops.stages.model import model_stage
from ops.stages.settled import RESULT, STRENGTH, at_strength
from ops.stages.shards import shards_stage
from ops.stages.spec import Build, Input, Stage
from ops.stages.token_cache import token_cache_stage
from ops.stages.tokenizer import TOKENIZER
from ops.stages.trials import built, shortened, total, trained
from ops.storage import Store

SEEDS = 2**31
"""Seeds of recipes are below this."""

Row = dict[str, Any]


def _augmentation(recipe: Recipe) -> Augmentation:
    if recipe.augmentation is None:
        raise TypeError("a recipe without augmentation has no strength")
    return recipe.augmentation


def _trial_stages(recipe: Recipe) -> list[Stage]:
    """What is built for each trial: all from the shards on, or on the fly the model alone."""
    vocabulary = recipe.tokenizer is not None
    if _augmentation(recipe).mode == "on_the_fly":
        return [model_stage(vocabulary)]
    tokenizer = [TOKENIZER] if vocabulary else []
    return [shards_stage(), *tokenizer, token_cache_stage(vocabulary), model_stage(vocabulary)]


def _config(recipe: Recipe) -> dict[str, Any]:
    parts: dict[str, Any] = {"augmentation": recipe.part("augmentation")["augmentation"]}
    at_full = at_strength(recipe, 1.0)
    for stage in _trial_stages(recipe):
        # The last one, the model, says the whole task.
        parts |= {key: value for key, value in stage.config(at_full).items() if key != "augmentation"}
    return parts


def _modules(recipe: Recipe) -> list[str]:
    return [
        *(type(step).__module__ for step in _augmentation(recipe).steps),
        *(module for stage in _trial_stages(recipe) for module in (stage.module, *stage.modules(recipe))),
    ]


def _build(build: Build) -> None:
    search = _augmentation(build.recipe).search
    strengths, rows, costs = list(search.strengths), list[Row](), list[Row]()
    for number, (count, share) in enumerate(search.rounds(), 1):
        strengths, losses = sorted(strengths[:count]), dict[float, float]()
        for strength in strengths:
            found = [_trial(build, strength, repeat, share) for repeat in range(search.repeats)]
            losses[strength] = fmean(math.inf if row["valid_loss"] is None else row["valid_loss"] for row, _ in found)
            rows += [{"round": number, **row} for row, _ in found]
            costs += [cost for _, cost in found]
        # Where two do equally well the weaker one is better: it changes less.
        strengths.sort(key=lambda strength: (losses[strength], strength))
    if not math.isfinite(losses[strengths[0]]):
        raise CheckFailed("no training of the search kept a finite loss", hint="lower training.learning_rate")
    build.output.json(RESULT, {"chosen": strengths[0], "trials": rows})
    build.output.facts({"chosen": strengths[0], "trials": len(rows)})
    # Not in the result: what a training takes differs from run to run.
    build.output.cost(total(costs))


def _trial(build: Build, strength: float, repeat: int, share: float) -> tuple[Row, Row]:
    """One training as a row of the evidence, and what it took."""
    recipe = at_strength(build.recipe, strength)
    recipe = recipe.model_copy(update={"seed": (recipe.seed + repeat) % SEEDS})
    store = Store(build.work() / "trials" / f"{strength:g}-{repeat}")
    known = dict(build.inputs)
    *data, model = _trial_stages(recipe)
    for stage in data:
        known[stage.name] = built(replace(build, recipe=recipe), stage, store, known)
    recipe = shortened(recipe, share, known["token_cache"])
    row: Row = {"strength": strength, "repeat": repeat, "steps": recipe.training.steps}
    build.services.on_record(row)
    found = trained(replace(build, recipe=recipe), model, store, known)
    return {**row, **found.figures}, found.cost


def strength_stage(on_the_fly: bool, vocabulary: bool) -> Stage:
    """The stage: before the shards where copies are stored, before the model where they are made on the fly."""
    first = Input("token_cache" if on_the_fly else "clean_corpus", every=True)
    words = (Input("tokenizer"),) if on_the_fly and vocabulary else ()
    return Stage(
        name=STRENGTH,
        description="How strong augmentation should be: short trainings, judged on the validation split.",
        partitioned=False,
        inputs=(first, Input("statistics"), *words),
        config=_config,
        keys=("task", "normalization", "augmentation", "tokenizer", "model", "training", "seed", "launch"),
        build=_build,
        modules=_modules,
    )
