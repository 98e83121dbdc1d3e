"""The chain of stages that a recipe has, in an order in which each comes after its inputs."""

from __future__ import annotations

from ops.errors import ConfigError
from ops.recipe import Recipe
from ops.stages.bands import BANDS
from ops.stages.clean_corpus import clean_corpus_stage
from ops.stages.duplicates import duplicates_stage
from ops.stages.fitted import fitted_stage
from ops.stages.model import model_stage
from ops.stages.pairs import PAIRS
from ops.stages.raw_corpus import RAW_CORPUS
from ops.stages.report import report_stage
from ops.stages.scores import SCORES
from ops.stages.settled import searches
from ops.stages.shards import shards_stage
from ops.stages.signatures import reads_split, signatures_stage
from ops.stages.spec import Stage
from ops.stages.statistics import STATISTICS
from ops.stages.strength import strength_stage
from ops.stages.sweep import sweep_stage
from ops.stages.token_cache import token_cache_stage
from ops.stages.tokenizer import TOKENIZER

DATA_STAGES = (
    "raw_corpus",
    "scores",
    "signatures",
    "bands",
    "pairs",
    "duplicates",
    "fitted",
    "clean_corpus",
    "statistics",
    "strength",
    "shards",
    "tokenizer",
    "token_cache",
)
"""The stages before training: what the nightly schedule and the folder sensor build."""


def stages(recipe: Recipe) -> tuple[Stage, ...]:
    """The recipe's stages. A fold that the recipe does not need (no deduplication, no vocabulary) is not there."""
    duplicates = bool(recipe.deduplication)
    scores = bool(recipe.scoring)
    fitted = bool(recipe.fitting)
    vocabulary = recipe.tokenizer is not None
    chain: list[Stage] = [RAW_CORPUS]
    if scores:
        chain.append(SCORES)
    if duplicates:
        pairs = any(step.paired for step in recipe.deduplication.values())
        chain += [signatures_stage(reads_split(recipe)), *([BANDS, PAIRS] if pairs else [])]
        chain.append(duplicates_stage(scores, pairs))
    if fitted:
        chain.append(fitted_stage(duplicates, scores))
    # A search of the strength of augmentation comes before what it is for: stored copies, or the training.
    search, late = searches(recipe), recipe.augmentation is not None and recipe.augmentation.mode == "on_the_fly"
    before, behind = search and not late, search and late
    chain += [clean_corpus_stage(duplicates, scores, fitted), STATISTICS]
    chain += [*([strength_stage(late, vocabulary)] if before else []), shards_stage(before)]
    if vocabulary:
        chain.append(TOKENIZER)
    chain += [token_cache_stage(vocabulary), *([strength_stage(late, vocabulary)] if behind else [])]
    sweep = recipe.sweep is not None
    chain += [sweep_stage(vocabulary, behind)] if sweep else []
    chain += [model_stage(vocabulary, behind, sweep), report_stage(fitted, recipe.task.form == "stream", search, sweep)]
    return tuple(chain)


def stage_named(recipe: Recipe, name: str) -> Stage:
    """The recipe's stage of that name; a `ConfigError` lists the names when there is none."""
    chain = stages(recipe)
    for stage in chain:
        if stage.name == name:
            return stage
    raise ConfigError(f"{recipe.name} has no stage {name!r}", hint=f"it has {', '.join(s.name for s in chain)}")
