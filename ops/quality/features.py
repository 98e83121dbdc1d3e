"""All features of a column of texts, from one pass over its bytes."""

from __future__ import annotations

import numpy as np
import polars as pl

from ops.quality.c4 import C4, PHRASES
from ops.quality.chunks import Places, pieces
from ops.quality.lines import line_features
from ops.quality.repetition import Pairs, find_pairs, run_features
from ops.quality.rules import LineRules
from ops.quality.words import Column, Words, word_features

TOGETHER = 16
"""Pieces whose repeated runs of words are looked at together."""


def text_features(text: pl.Series, *, stop_words: list[str], short_line: int, lines: LineRules) -> pl.DataFrame:
    """One row of features for each text, in order; a null counts as an empty text."""
    of_words, of_runs, of_lines = (_Columns(max(1, len(text))) for _ in range(3))
    rows: list[Places] = []
    pairs: list[Pairs] = []
    for places, chunk in pieces(text, PHRASES):
        words = Words.find(chunk)
        of_words.put(places, word_features(words, stop_words))
        of_lines.put(places, {**line_features(words, short_line), **C4(words, lines).features()})
        rows.append(places)
        pairs.append(find_pairs(words))
        if len(pairs) == TOGETHER:
            of_runs.put(np.concatenate(rows), run_features(pairs))
            rows, pairs = [], []
    if pairs:
        of_runs.put(np.concatenate(rows), run_features(pairs))
    table = pl.DataFrame({**of_words.columns, **of_runs.columns, **of_lines.columns})
    return table.clear() if text.is_empty() else table


class _Columns:
    """Columns that are filled in parts, in any order."""

    def __init__(self, height: int) -> None:
        self._height = height
        self.columns: dict[str, Column] = {}

    def put(self, rows: Places, found: dict[str, Column]) -> None:
        """What was found about some rows; columns are made when they are first met."""
        for name, values in found.items():
            if name not in self.columns:
                self.columns[name] = np.empty(self._height)
            self.columns[name][rows] = values
