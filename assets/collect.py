"""The assets of a recipe, one for each of its stages."""

from __future__ import annotations

from collections.abc import Callable

import dagster as dg

from assets.clean_corpus import clean_corpus
from assets.fitted import fitted
from assets.model import model
from assets.raw_corpus import raw_corpus
from assets.report import report
from assets.scores import scores
from assets.shards import shards
from assets.signatures import bands, duplicates, pairs, signatures
from assets.statistics import statistics
from assets.strength import strength
from assets.sweep import sweep
from assets.token_cache import token_cache
from assets.tokenizer import tokenizer
from ops.recipe import Recipe
from ops.stages.chain import stages

MAKERS: dict[str, Callable[[Recipe], dg.AssetsDefinition]] = {
    "raw_corpus": raw_corpus,
    "scores": scores,
    "signatures": signatures,
    "bands": bands,
    "pairs": pairs,
    "duplicates": duplicates,
    "fitted": fitted,
    "clean_corpus": clean_corpus,
    "statistics": statistics,
    "strength": strength,
    "shards": shards,
    "tokenizer": tokenizer,
    "token_cache": token_cache,
    "sweep": sweep,
    "model": model,
    "report": report,
}


def assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """The assets, in the order of the chain."""
    return [MAKERS[stage.name](recipe) for stage in stages(recipe)]
