"""Texts as streams of tokens: described by their splits, kept without labels, and cut into windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ops.deduplication.hashing import row_hashes
from ops.errors import BadData
from ops.steps import Outcome

if TYPE_CHECKING:
    from ops.recipe import Recipe
    from ops.tasks.language_model import LanguageModel

Ids = NDArray[np.int64]

SPLITS = ("train", "valid", "test")


def stream_task(recipe: Recipe) -> LanguageModel:
    """The recipe's task, which tells the next token; only such recipes read streams."""
    from ops.tasks.language_model import LanguageModel

    if not isinstance(recipe.task, LanguageModel):
        raise TypeError(f"{recipe.task.kind} reads no streams")
    return recipe.task


def stream_statistics(tables: Sequence[pl.DataFrame], column: str) -> dict[str, Any]:
    """Texts and characters of each split, and how many texts have the content of a training text.

    Args:
        tables: the clean corpus, with the columns `column` and `split`.
        column: the text.

    Raises:
        BadData: a split has no text.
    """
    rows = pl.concat(list(tables))
    sums = rows.group_by("split").agg(pl.len().alias("rows"), pl.col(column).str.len_chars().sum().alias("characters"))
    found: dict[str, dict[str, int]] = {"rows": {}, "characters": {}}
    for split in SPLITS:
        mine = sums.filter(pl.col("split") == split)
        if mine.is_empty():
            raise BadData(f"the {split} split has no text", hint="raise its share, or add texts")
        for name, values in found.items():
            values[split] = int(mine[name].item())
    hashes = {split: row_hashes(rows.filter(pl.col("split") == split), [column], "alphanumeric") for split in SPLITS}
    # One opaque value for each text, so that whole hashes are compared.
    flat = {split: some.copy().view(f"V{some.shape[1]}").ravel() for split, some in hashes.items()}
    shared = {split: int(np.isin(flat[split], flat["train"]).sum()) for split in SPLITS[1:]}
    return {"stream": found, "shared_with_train": shared}


def unlabelled_rows(table: pl.DataFrame, column: str) -> Outcome:
    """The rows that have a text."""
    there = Outcome.split(table, keep=pl.col(column).is_not_null(), step="input", reason="missing")
    return Outcome(there.kept.select("id", column, "split"), there.dropped)


@dataclass(frozen=True, eq=False)
class Windows:
    """Where windows lie in the tokens of texts one behind the other.

    Attributes:
        text: (N,) the text in which each begins.
        offset: (N,) its first token.
        length: (N,) its tokens; one more than are told.
    """

    text: Ids
    offset: Ids
    length: Ids


def stream_windows(lengths: Ids, context: int, groups: Ids | None = None) -> Windows:
    """Windows of `context` told tokens, so that of each text every token but the first is told exactly once.

    Args:
        lengths: (D,) tokens of each text.
        context: tokens told in a whole window.
        groups: (D,) numbers that never fall: texts of one are a single stream; each text is one by default.
    """
    starts = np.cumsum(lengths) - lengths
    if groups is None:
        begin, tokens = starts, lengths
    else:
        first = np.flatnonzero(np.diff(groups, prepend=-1))
        begin, tokens = starts[first], np.add.reduceat(lengths, first) if len(first) else lengths
    told = (tokens - 1).clip(min=0)
    count = -(-told // context)
    number = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    offset = np.repeat(begin, count) + number * context
    length = np.minimum(context, np.repeat(told, count) - number * context) + 1
    # Of texts that begin at one place all but the last are empty.
    return Windows(np.searchsorted(starts, offset, side="right") - 1, offset, length)
