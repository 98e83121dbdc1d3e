"""All features of a column of texts, from one pass over its bytes."""

from __future__ import annotations

import numpy as np
import polars as pl

from ops.quality.c4 import C4, PHRASES
from ops.quality.chunks import Chunk, pieces
from ops.quality.lines import line_features
from ops.quality.repetition import run_features
from ops.quality.rules import LineRules
from ops.quality.words import Column, Words, word_features


def text_features(text: pl.Series, *, stop_words: list[str], short_line: int, lines: LineRules) -> pl.DataFrame:
    """One row of features for each text, in order; a null counts as an empty text."""
    parts, order = [], []
    for places, chunk in pieces(text, PHRASES):
        order.append(places)
        parts.append(_features(chunk, stop_words, short_line, lines))
    table = pl.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    places = np.concatenate(order)
    return table.clear() if text.is_empty() else table[np.argsort(places)] if (np.diff(places) < 0).any() else table


def _features(chunk: Chunk, stop_words: list[str], short_line: int, lines: LineRules) -> dict[str, Column]:
    words = Words.find(chunk)
    return {
        **word_features(words, stop_words),
        **run_features(words),
        **line_features(words, short_line),
        **C4(words, lines).features(),
    }
