"""The chain of stages that a recipe has, in an order in which each comes after its inputs."""

from __future__ import annotations

from ops.errors import ConfigError
from ops.recipe import Recipe
from ops.stages.clean_corpus import clean_corpus_stage
from ops.stages.duplicates import duplicates_stage
from ops.stages.fitted import fitted_stage
from ops.stages.model import model_stage
from ops.stages.pairs import PAIRS
from ops.stages.raw_corpus import RAW_CORPUS
from ops.stages.report import report_stage
from ops.stages.scores import SCORES
from ops.stages.shards import SHARDS
from ops.stages.signatures import reads_split, signatures_stage
from ops.stages.spec import Stage
from ops.stages.statistics import STATISTICS
from ops.stages.token_cache import token_cache_stage
from ops.stages.tokenizer import TOKENIZER

DATA_STAGES = (
    "raw_corpus",
    "scores",
    "signatures",
    "pairs",
    "duplicates",
    "fitted",
    "clean_corpus",
    "statistics",
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
        chain += [signatures_stage(reads_split(recipe)), *([PAIRS] if pairs else [])]
        chain.append(duplicates_stage(scores, pairs))
    if fitted:
        chain.append(fitted_stage(duplicates, scores))
    chain += [clean_corpus_stage(duplicates, scores, fitted), STATISTICS, SHARDS]
    if vocabulary:
        chain.append(TOKENIZER)
    chain += [
        token_cache_stage(vocabulary),
        model_stage(vocabulary),
        report_stage(fitted, recipe.task.form == "stream"),
    ]
    return tuple(chain)


def stage_named(recipe: Recipe, name: str) -> Stage:
    """The recipe's stage of that name; a `ConfigError` lists the names when there is none."""
    chain = stages(recipe)
    for stage in chain:
        if stage.name == name:
            return stage
    raise ConfigError(f"{recipe.name} has no stage {name!r}", hint=f"it has {', '.join(s.name for s in chain)}")
